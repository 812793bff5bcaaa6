"""Daytime: the date and time as a line of text (RFC 867)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_TIME: Final = rb"[0-2]?[0-9]:[0-5][0-9]:[0-6][0-9]"
_MONTH: Final = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_LINE: Final = re.compile(
    rb"\s{0,4}(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? %(month)b[a-z]{0,6} {1,2}[0-9]{1,2},? %(time)b(?: [A-Z]{1,5})? [0-9]{4}"
    rb"|[0-9]{1,2} %(month)b [0-9]{4} %(time)b [A-Z]{1,5}"
    rb"|[0-9]{5} [0-9]{2}-[0-9]{2}-[0-9]{2} %(time)b [0-9]{2} [0-9] [0-9] +[0-9.]{1,6} UTC\([A-Z]{1,10}\) \*"
    rb")\s{0,6}\Z" % {b"month": _MONTH, b"time": _TIME},
    re.IGNORECASE,
)


def recognise(raw: bytes) -> Fingerprint | None:
    """One line, in one of the forms that servers have; nothing names them."""
    return Fingerprint("daytime") if _LINE.match(raw) else None


PROTOCOL = Protocol(
    name="daytime", recognise=recognise, ports=(13,), udp_ports=(13,), greets=True, udp_words=lambda _: b"\n"
)
