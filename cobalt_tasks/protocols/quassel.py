"""Quassel's core: the protocols that a client knows, answered by the one to speak (Quassel's protocol.h, `Protocol::Type`)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_MAGIC: Final = bytes.fromhex("42b33f00")
_LEGACY: Final = bytes.fromhex("00000001")
_DATA_STREAM: Final = bytes.fromhex("80000002")
"""The last in the list, which the first bit marks."""

_CHOICE: Final = re.compile(rb"[\x00-\x03]\x00[\x00-\xff][\x01\x02]\Z", re.DOTALL)


def recognise(_: bytes) -> Fingerprint | None:
    """Return None: its four bytes mean nothing without the question."""


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """Features of the connection, of the protocol, and its number; nothing else speaks it."""
    return Fingerprint("quassel", "Quassel Core", cpe="quassel-irc:quassel") if _CHOICE.match(raw) else None


PROTOCOL = Protocol(
    name="quassel",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(4242,),
    words=lambda _: _MAGIC + _LEGACY + _DATA_STREAM,
)
