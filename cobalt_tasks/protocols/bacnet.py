"""BACnet/IP: reads of the device object, which changes nothing (ASHRAE 135, clauses 15.5, 20 and annex J)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_MODEL, _VENDOR, _FIRMWARE, _NAME = 70, 121, 44, 77
_ANY_DEVICE: Final = bytes.fromhex("0c023fffff")
_HEAD: Final = re.compile(rb"\x81\x0a..\x01[\x00-\x3f]", re.DOTALL)
_KINDS: Final = frozenset({b"\x30", b"\x50", b"\x60", b"\x61", b"\x70", b"\x71"})
"""Complex acknowledgement, error, reject, abort."""

_VALUE: Final = re.compile(rb"\x0c....\x19(.)\x3e(?:[\x72-\x74]|\x75.)\x00([^\x00-\x1f]{1,100})\x3f\Z", re.DOTALL)
_SIZE: Final = 4


def _read(number: int) -> bytes:
    """Return ReadProperty of one property of the device, whatever its number."""
    body = bytes.fromhex("0104 0005") + bytes((number, 0x0C)) + _ANY_DEVICE + bytes((0x19, number))
    return b"\x81\x0a" + (len(body) + _SIZE).to_bytes(2, "big") + body


def recognise(raw: bytes) -> Fingerprint | None:
    """An answer to a confirmed request, whose length is right: the value, or an error."""
    if not _HEAD.match(raw) or int.from_bytes(raw[2:4], "big") != len(raw) or raw[6:7] not in _KINDS:
        return None
    value = _value(raw, _MODEL)
    return Fingerprint("bacnet", value, device="controller")


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Read vendor, firmware and name, if the model was shown."""
    if not known.product:
        return None
    found = {}
    for key, number in (("vendor", _VENDOR), ("firmware", _FIRMWARE), ("name", _NAME)):
        reply = yield Send(_read(number))
        if value := _value(reply.data, number):
            found[key] = value
    return Fingerprint("bacnet", known.product, found.get("firmware"), device="controller", extras=found)


def _value(raw: bytes, number: int) -> str | None:
    found = _VALUE.search(raw)
    return clean(found[2]) if found and found[1][0] == number else None


PROTOCOL = Protocol(
    name="bacnet",
    recognise=recognise,
    udp_ports=(47808,),
    udp_words=lambda _: _read(_MODEL),
    ask_more=ask_more,
    exclusive=True,
    industrial=True,
)
