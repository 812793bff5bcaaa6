"""NATS: the INFO a server greets with (NATS client protocol)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_INFO = re.compile(rb'INFO \{[^\r\n]{0,2000}?"server_id"')
_VERSION = re.compile(rb'"version": ?"([0-9][\w.-]{0,40})"')


def recognise(raw: bytes) -> Fingerprint | None:
    """One line of JSON with the version."""
    if not _INFO.match(raw):
        return None
    version = _VERSION.search(raw)
    return Fingerprint("nats", "NATS server", clean(version[1]) if version else None)


PROTOCOL = Protocol(name="nats", recognise=recognise, ports=(4222,), greets=True)
