"""SOCKS 5: which ways to log in a proxy accepts; nothing is asked of it (RFC 1928 3)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_METHODS: Final = b"\x05\x02\x00\x02"
"""Without a login, and with name and password."""

_ANSWERS: Final = {b"\x05\x00": "no login", b"\x05\x02": "name and password", b"\x05\xff": "other login"}


_REFUSAL: Final = b"\x05\xff"


def recognise(raw: bytes) -> Fingerprint | None:
    """The refusal alone, which is what some proxies answer to any words; the other answers could be from any server."""
    return recognise_reply(raw) if raw == _REFUSAL else None


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """The method the proxy chose, or that it accepts neither."""
    method = _ANSWERS.get(raw)
    return Fingerprint("socks5", info=method, extras={"login": method}) if method else None


PROTOCOL = Protocol(
    name="socks5",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(1080, 1081, 9050, 9150),
    words=lambda _: _METHODS,
    is_complete=lambda raw: len(raw) >= 2,  # noqa: PLR2004  # version and method
    aliases=("socks",),
)
