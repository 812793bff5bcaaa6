"""FastCGI: the management question for what the application can do (FastCGI Specification, 4.1)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_NAMES: Final = (b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS")
_BODY: Final = b"".join(bytes((len(name), 0)) + name for name in _NAMES)
_PADDING: Final = -len(_BODY) % 8
_QUESTION: Final = b"\x01\x09\x00\x00" + len(_BODY).to_bytes(2, "big") + bytes((_PADDING, 0)) + _BODY + bytes(_PADDING)
_ANSWER: Final = re.compile(rb"\x01\x0a\x00\x00[\x00-\xff]{4}(?:[\x00-\x1f][\x00-\x1f]FCGI_M)?", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """The values, or none; programs do not name themselves."""
    return Fingerprint("fastcgi") if _ANSWER.match(raw) else None


PROTOCOL = Protocol(
    name="fastcgi", recognise=recognise, ports=(9000,), words=lambda _: _QUESTION, likelihood=52, rejects_http=True
)
