"""Ganglia: gmond and gmetad greet with an XML document, whose first element names the program (Ganglia's gmond(1), gmetad.py)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_DOCUMENT: Final = re.compile(rb"<\?xml [^>]{1,100}\?>\s{0,4}<!DOCTYPE GANGLIA_XML ")
_ROOT: Final = re.compile(rb'<GANGLIA_XML VERSION="([0-9][\w.-]{0,30})" SOURCE="(gmond|gmetad)">')


def recognise(raw: bytes) -> Fingerprint | None:
    """The document type comes first, two and a half KiB of it; then version and program."""
    if not _DOCUMENT.match(raw):
        return None
    root = _ROOT.search(raw)
    if not root:
        return Fingerprint("ganglia")
    return Fingerprint("ganglia", f"Ganglia {clean(root[2])}", clean(root[1]))


PROTOCOL = Protocol(name="ganglia", recognise=recognise, ports=(8649, 8651), greets=True)
