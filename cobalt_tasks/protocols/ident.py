"""Ident: who owns a connection (RFC 1413). Ports 0 cannot be a connection: the answer is an error that names the protocol."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_ANSWER = re.compile(rb"\s{0,3}[0-9]{1,5}( ?), ?[0-9]{1,5} ?: ?(?:ERROR|USERID) ?: ?[A-Z][A-Z-]{3,20}")


def recognise(raw: bytes) -> Fingerprint | None:
    """`0,0:ERROR:INVALID-PORT`; oidentd writes it without blanks, others `0 , 0 : ERROR : INVALID-PORT`."""
    found = _ANSWER.match(raw)
    if not found:
        return None
    is_oidentd = b" " not in found[0] and b":ERROR:" in found[0]
    return Fingerprint("ident", "oidentd" if is_oidentd else None, confidence=0.8 if is_oidentd else 1.0)


PROTOCOL = Protocol(
    name="ident", recognise=recognise, ports=(113,), words=lambda _: b"0,0\r\n", aliases=("auth", "identd")
)
