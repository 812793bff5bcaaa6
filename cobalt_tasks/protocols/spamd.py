"""SpamAssassin's spamd: PING (spamd, PROTOCOL)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_ANSWER: Final = re.compile(rb"SPAMD/([0-9]\.[0-9]) [0-9]{1,2} [A-Z]")


def recognise(raw: bytes) -> Fingerprint | None:
    """Any answer starts with the protocol's version; the program's is not shown."""
    found = _ANSWER.match(raw)
    if not found:
        return None
    return Fingerprint("spamd", "SpamAssassin spamd", info=clean(b"protocol " + found[1]), cpe="apache:spamassassin")


PROTOCOL = Protocol(
    name="spamd",
    recognise=recognise,
    ports=(783,),
    words=lambda _: b"PING SPAMC/1.2\r\n\r\n",
    is_complete=lambda raw: raw.endswith(b"\n"),
)
