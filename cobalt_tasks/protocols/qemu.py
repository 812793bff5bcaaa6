"""QEMU's monitors: the greeting of the machine protocol in JSON, and of the monitor for people (QEMU, QMP Reference)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_QMP: Final = re.compile(rb'\s{0,4}\{"QMP": ?\{"version": ?\{"qemu": ?\{([^{}]{1,100})\}')
_PART: Final = re.compile(rb'"(major|minor|micro)": ?([0-9]{1,4})(?![0-9])')
_PARTS: Final = (b"major", b"minor", b"micro")
_MONITOR: Final = re.compile(rb"(?:\xff[\xfb-\xfe].){0,8}QEMU ([0-9][\w.]{0,20}) monitor - type 'help'", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """Both name the version."""
    if people := _MONITOR.match(raw):
        return Fingerprint("qemu-monitor", "QEMU", clean(people[1]), info="monitor", cpe="qemu:qemu")
    if not (machine := _QMP.match(raw)):
        return None
    parts = dict(_PART.findall(machine[1]))
    version = b".".join(parts[part] for part in _PARTS) if parts.keys() == set(_PARTS) else None
    return Fingerprint("qemu-monitor", "QEMU", clean(version), info="QMP", cpe="qemu:qemu")


PROTOCOL = Protocol(name="qemu-monitor", recognise=recognise, greets=True, aliases=("qmp",))
