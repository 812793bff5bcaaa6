"""S7 of Siemens: a connection of the kind PG, then two reads of the system's state list (RFC 1006; Siemens, SZL 0x11 and 0x1C)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_CONNECT: Final = bytes.fromhex("03000016 11e0 0000 0001 00 c0010a c1020100 c2020102")
_SETUP: Final = bytes.fromhex("03000019 02f080 32010000000000080000 f0000001000101e0")
_MODULE: Final = bytes.fromhex("03000021 02f080 32070000000000080008 0001120411440100 ff09000400110001")
_COMPONENT: Final = bytes.fromhex("03000021 02f080 32070000000000080008 0001120411440100 ff090004001c0000")
_CONFIRM: Final = re.compile(rb"\x03\x00\x00[\x0b-\x40].\xd0\x00\x01", re.DOTALL)
_S7: Final = re.compile(rb"\x03\x00..\x02\xf0\x80\x32[\x01-\x03\x07]", re.DOTALL)
_ORDER_NUMBER: Final = re.compile(rb"6(?:ES7|AG1|ED1|GK7)[A-Z0-9 -]{8,16}")
_TEXTS: Final = re.compile(rb"\x00([\x01-\x0b])([ -~]{2,32})\x00", re.DOTALL)
_NAMES: Final = {1: "system", 2: "module", 3: "plant", 5: "serial", 7: "module_type"}


def recognise(raw: bytes) -> Fingerprint | None:
    """An answer of S7 itself."""
    return Fingerprint("s7comm", device="controller") if _S7.match(raw) else None


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """The confirmation of the connection, of which other protocols have one as well."""
    return Fingerprint("s7comm", confidence=0.5) if _CONFIRM.match(raw) else None


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Set up the session, and read what module it is and what it is called."""
    if not recognise((yield Send(_SETUP, is_complete=is_complete)).data):
        return None
    module = (yield Send(_MODULE, is_complete=is_complete)).data
    component = (yield Send(_COMPONENT, is_complete=is_complete)).data
    order = _ORDER_NUMBER.search(module)
    extras = {_NAMES[text[0][0]]: clean(text[1]) for text in _TEXTS.findall(component) if text[0][0] in _NAMES}
    if order:
        extras["order_number"] = clean(order[0])
    shown = {name: value for name, value in extras.items() if value}
    return Fingerprint(
        "s7comm",
        shown.get("module_type") or shown.get("order_number") or known.product,
        device="controller",
        extras=shown,
    )


def is_complete(raw: bytes) -> bool:
    """Return whether the packet has the length it announces (RFC 1006 6)."""
    return len(raw) >= 4 and len(raw) >= int.from_bytes(raw[2:4], "big")  # noqa: PLR2004  # the head of a packet


PROTOCOL = Protocol(
    name="s7comm",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(102,),
    words=lambda _: _CONNECT,
    is_complete=is_complete,
    ask_more=ask_more,
    exclusive=True,
    industrial=True,
    aliases=("iso-tsap", "s7"),
)
