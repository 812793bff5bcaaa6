"""NTP: a client's question for the time, then for the version (RFC 5905 7.3, RFC 9327 2 and 3)."""

import re
import struct
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import system_of

_SENT: Final = bytes.fromhex("c0ba17c0ba17c0ba")
_REQUEST: Final = b"\x23" + bytes(39) + _SENT
"""Version 4, mode 3 (client); the server returns the last field as the time of origin."""

_READ_VERSION: Final = bytes.fromhex("1602 0001 0000 0000 0000 0007") + b"version\x00"
"""Version 2, mode 6, opcode 2 (read variables) of the system itself: that one variable, so that the answer is short."""

_SIZES: Final = frozenset({48, 52, 68, 72})
"""Without and with the authenticators there are."""

_SERVER, _CONTROL, _MODES, _HIGHEST_VERSION, _UNSYNCHRONISED = 4, 6, 7, 4, 16
_CONTROL_HEAD: Final = 12
_ORIGIN: Final = slice(24, 32)
_VERSION: Final = re.compile(rb'version="(ntpd )?(?:ntpsec-)?([0-9][\w.]{0,30})([^"]{0,100})"')
_NTPSEC: Final = re.compile(rb'version="[^"]{0,20}ntpsec-')


def recognise(raw: bytes) -> Fingerprint | None:
    """A server's answer; or an answer to the question for its version."""
    if len(raw) > _CONTROL_HEAD and raw[0] & _MODES == _CONTROL and raw[1] & 0x9F == 0x82:  # noqa: PLR2004  # response, opcode 2
        return _program(raw) if _VERSION.search(raw) else None
    if len(raw) not in _SIZES or raw[0] & _MODES != _SERVER or not 1 <= raw[0] >> 3 & _MODES <= _HIGHEST_VERSION:
        return None
    _, stratum, _, precision = struct.unpack_from(">BBbb", raw)
    if stratum > _UNSYNCHRONISED or not -32 <= precision <= 0:  # noqa: PLR2004  # seconds as powers of two
        return None
    reference = clean(raw[12:16].rstrip(b"\0")) if stratum <= 1 else None
    extras = {"stratum": str(stratum), **({"reference": reference} if reference else {})}
    return Fingerprint("ntp", info=f"stratum {stratum}", extras=extras)


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """An answer of any length that returns what was sent to it."""
    is_answer = raw[_ORIGIN] == _SENT and raw[0] & _MODES == _SERVER
    return Fingerprint("ntp") if is_answer else None


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the version of the program; most servers do not show it to strangers."""
    reply = yield Send(_READ_VERSION)
    program = recognise(reply.data)
    if program is None or not program.product:
        return None
    return Fingerprint("ntp", program.product, program.version, info=known.info, os=program.os, extras=known.extras)


def _program(raw: bytes) -> Fingerprint:
    found = _VERSION.search(raw)
    if not found or not found[1]:
        return Fingerprint("ntp")
    product = "NTPsec" if _NTPSEC.search(raw) else "ntpd"
    return Fingerprint("ntp", product, clean(found[2]), os=system_of(found[3]))


PROTOCOL = Protocol(
    name="ntp",
    recognise=recognise,
    recognise_reply=recognise_reply,
    udp_ports=(123,),
    udp_words=lambda _: _REQUEST,
    ask_more=ask_more,
    udp_likelihood=1,
)
