"""RDP: the X.224 connection confirm ([MS-RDPBCGR] 2.2.1.2)."""

import re

from cobalt_tasks.protocols.fingerprint import Fingerprint

_CONFIRM = re.compile(rb"\x03\x00\x00[\x0b-\x40].\xd0\x00\x00", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """A TPKT header, then Connection Confirm."""
    return Fingerprint("rdp") if _CONFIRM.match(raw) else None
