"""TLS: an alert or handshake record (RFC 8446 5.1), and the line masscan makes of a handshake."""

import re

from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_RECORD = re.compile(rb"[\x15\x16]\x03[\x00-\x04][\x00-\x48]", re.DOTALL)
_SCANNER_LINE = re.compile(rb"(?:TLS|SSL)[^,]{0,100}(?:,|$)")


def recognise(raw: bytes) -> Fingerprint | None:
    """A server that answers plain words with an alert."""
    return Fingerprint("tls") if _RECORD.match(raw) else None


def scanner_line(raw: bytes) -> Fingerprint | None:
    """What masscan writes: `TLS/1.2 cipher:0xc02f, www.example.com, example.com`."""
    if not _SCANNER_LINE.match(raw):
        return None
    parts = raw.decode("ascii", "replace").split(",")[1:]
    names = {name for part in parts if (name := hostname(part.strip()))}
    return Fingerprint("tls", names=tuple(sorted(names)))


PROTOCOL = Protocol(
    name="tls",
    recognise=recognise,
    # The ports of protocols that have no file here yet, or speak HTTP inside.
    tls_ports=(443, 563, 853, 989, 2376, 6443),
    words=lambda _: b"",
    likelihood=1,
    aliases=("ssl", "x509", "x509ca"),
    parts={"ssl": scanner_line},
)
"""Its words are not sent: identify.py does the handshake instead."""
