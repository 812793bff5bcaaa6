"""ZooKeeper: the four-letter word `srvr` (ZooKeeper administrator's guide, The Four Letter Words)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_VERSION: Final = re.compile(rb"Zookeeper version: ([0-9][\w.]{0,30})")
_REFUSED: Final = re.compile(
    rb"[a-z]{4} is not executed because it is not in the whitelist\.|This ZooKeeper instance is not currently"
)
_MODE: Final = re.compile(rb"^Mode: ([a-z]{1,20})", re.MULTILINE)


def recognise(raw: bytes) -> Fingerprint | None:
    """Its version and role; or that the word is not allowed."""
    found = _VERSION.match(raw)
    if not found and not _REFUSED.match(raw):
        return None
    mode = _MODE.search(raw)
    role = clean(mode[1]) if mode else None
    version = clean(found[1].split(b"-", 1)[0]) if found else None
    return Fingerprint("zookeeper", "Apache ZooKeeper", version, info=role, cpe="apache:zookeeper")


PROTOCOL = Protocol(name="zookeeper", recognise=recognise, ports=(2181,), words=lambda _: b"srvr")
