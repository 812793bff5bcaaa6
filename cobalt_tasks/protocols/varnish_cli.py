"""Varnish's command line: a status of three digits and the length of what follows, on a line of 13 bytes (varnish-cli(7))."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_CHALLENGE: Final = re.compile(rb"107 59 {6}\n[a-z]{32}\n\nAuthentication required\.\n")
_BANNER: Final = re.compile(rb"200 \d{1,8} {1,8}\n-{20,40}\n(?:Varnish Cache CLI|Varnish HTTP accelerator CLI)")
_VERSION: Final = re.compile(rb"\nvarnish-([0-9][\w.-]{0,30}) revision ")


def recognise(raw: bytes) -> Fingerprint | None:
    """A challenge, or the banner with the version where no secret is set."""
    if _CHALLENGE.match(raw):
        return Fingerprint("varnish-cli", "Varnish")
    if not _BANNER.match(raw):
        return None
    version = _VERSION.search(raw)
    return Fingerprint("varnish-cli", "Varnish", clean(version[1]) if version else None)


PROTOCOL = Protocol(name="varnish-cli", recognise=recognise, ports=(6082,), greets=True)
