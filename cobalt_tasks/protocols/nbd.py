"""Network block devices: the server's greeting, of the newer or the older negotiation (NBD's doc/proto.md)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_GREETING: Final = re.compile(rb"NBDMAGIC(?:IHAVEOPT|\x00\x00\x42\x02\x81\x86\x12\x53)", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """Two magic numbers; programs do not name themselves."""
    return Fingerprint("nbd") if _GREETING.match(raw) else None


PROTOCOL = Protocol(name="nbd", recognise=recognise, ports=(10809,), greets=True)
