"""Bacula: a greeting of a director that does not exist, refused in the daemon's own words (Bacula developer's guide, Hello)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_HELLO: Final = b"Hello Director cobalt-probe calling\n"
_PREFIX: Final = 4
_REFUSAL: Final = re.compile(
    rb"(?:[\w-]{1,30}\.c:[0-9]{1,5} )?(?:Connection from unknown Director|2999 Authentication failed|1999 Authorization failed"
    rb"|3999 |Authorization failed)|Hello (?:Director|Bacula)|auth cram-md5c? <"
)
_BAREOS: Final = re.compile(rb"R_NONE|Bareos", re.IGNORECASE)


def recognise(raw: bytes) -> Fingerprint | None:
    """A message, its length in front, that refuses the director or challenges it."""
    size = int.from_bytes(raw[:_PREFIX], "big")
    if not 0 < size <= len(raw) - _PREFIX or not _REFUSAL.match(raw, _PREFIX):
        return None
    is_bareos = bool(_BAREOS.search(raw))
    return Fingerprint("bacula", None if is_bareos else "Bacula", cpe=None if is_bareos else "bacula:bacula")


PROTOCOL = Protocol(
    name="bacula",
    recognise=recognise,
    ports=(9101, 9102, 9103),
    words=lambda _: len(_HELLO).to_bytes(_PREFIX, "big") + _HELLO,
    aliases=("bacula-fd", "bacula-dir", "bacula-sd"),
)
