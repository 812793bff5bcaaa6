"""Ceph: the banner of its messengers, versions 1 and 2 (Ceph, Network protocol; msgr2)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_BANNER: Final = re.compile(rb"ceph v(027|2\n)")


def recognise(raw: bytes) -> Fingerprint | None:
    """The version is the messenger's."""
    found = _BANNER.match(raw)
    if not found:
        return None
    return Fingerprint("ceph", "Ceph", info="msgr2" if found[1] == b"2\n" else "msgr1", cpe="ceph:ceph")


PROTOCOL = Protocol(name="ceph", recognise=recognise, ports=(3300, 6789), greets=True)
