"""RDP: the X.224 connection confirm ([MS-RDPBCGR] 2.2.1.2)."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint

_CONFIRM = re.compile(rb"\x03\x00\x00[\x0b-\x40].\xd0\x00\x00", re.DOTALL)
_CHOSEN = re.compile(rb"\x03\x00\x00\x13\x0e\xd0.{5}\x02.\x08\x00[\x01\x02\x08]", re.DOTALL)
_REQUEST = bytes.fromhex("030000130ee000000000000100080003000000")
"""TPKT header, connection request, negotiation request for TLS and CredSSP ([MS-RDPBCGR] 2.2.1.1)."""


def recognise(raw: bytes) -> Fingerprint | None:
    """A TPKT header, then Connection Confirm."""
    return Fingerprint("rdp", offers_tls=bool(_CHOSEN.match(raw))) if _CONFIRM.match(raw) else None


def starttls(_: Target) -> Steps[bool]:
    """Negotiate TLS ([MS-RDPBCGR] 5.4.2): the confirm names the protocol the server chose."""
    reply = yield Send(_REQUEST, wait=1.5)
    return bool(_CHOSEN.match(reply.data))


PROTOCOL = Protocol(
    name="rdp",
    recognise=recognise,
    ports=(3389,),
    words=lambda _: _REQUEST,
    likelihood=15,
    rejects_http=True,
    starttls=starttls,
    aliases=("ms-wbt-server",),
)
