"""PostgreSQL: ErrorResponse to what it does not understand (documentation, 53.7 Message Formats)."""

import re

from cobalt_tasks.protocols.fingerprint import Fingerprint

_ERROR = re.compile(rb"E\x00\x00..S(?:FATAL|ERROR|[^\x00]{1,20}\x00VFATAL)\x00|EFATAL: ", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """Severity comes first; servers before protocol 3 answered in plain text."""
    return Fingerprint("postgresql", "PostgreSQL") if _ERROR.match(raw) else None
