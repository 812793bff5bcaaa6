"""ManageSieve: the capabilities with which a server greets (RFC 5804 1.7)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_IMPLEMENTATION: Final = re.compile(rb'^"IMPLEMENTATION" "([^"\r\n]{1,100})"', re.IGNORECASE | re.MULTILINE)
_STARTTLS: Final = re.compile(rb'^"STARTTLS"', re.IGNORECASE | re.MULTILINE)
_PRODUCTS: Final = (
    ("Dovecot Pigeonhole", "dovecot:pigeonhole", re.compile(rb"Dovecot(?: \([\w/ -]{1,30}\))? Pigeonhole()")),
    ("Cyrus timsieved", "cmu:cyrus_imap_server", re.compile(rb"Cyrus timsieved v?([0-9][\w.]{0,30})")),
)


def recognise(raw: bytes) -> Fingerprint | None:
    """IMPLEMENTATION names the program."""
    found = _IMPLEMENTATION.search(raw)
    if not raw.startswith(b'"') or not found:
        return None
    offers_tls = bool(_STARTTLS.search(raw))
    for product, cpe, pattern in _PRODUCTS:
        if version := pattern.match(found[1]):
            return Fingerprint(
                "sieve", product, clean(version[1]), info=clean(found[1]), cpe=cpe, offers_tls=offers_tls
            )
    return Fingerprint("sieve", info=clean(found[1]), offers_tls=offers_tls)


def starttls(_: Target) -> Steps[bool]:
    """Send STARTTLS (RFC 5804 2.2)."""
    return (yield from answered(b"STARTTLS\r\n", b"OK"))


PROTOCOL = Protocol(
    name="sieve", recognise=recognise, ports=(4190,), greets=True, starttls=starttls, aliases=("managesieve",)
)
