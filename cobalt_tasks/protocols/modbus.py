"""Modbus over TCP: Read Device Identification, which changes nothing (Modbus Application Protocol 1.1b3, 6.21)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_REQUEST: Final = bytes.fromhex("2a53 0000 0005 00 2b0e0100")
"""Header: transaction, protocol 0, length, unit 0. Function 43/14: basic identification, from the first object on."""

_HEADER: Final = 7
_OBJECTS: Final = _HEADER + 7
_FUNCTION, _ERROR, _KIND = 0x2B, 0xAB, 0x0E
_EXCEPTIONS: Final = frozenset({1, 2, 3, 4, 5, 6, 8, 10, 11})
_NAMES: Final = {0: "vendor", 1: "product_code", 2: "revision", 3: "url", 4: "product_name", 5: "model"}


def recognise(raw: bytes) -> Fingerprint | None:
    """A whole answer: the objects of the device, or the exception of one that has none."""
    if len(raw) <= _HEADER + 1 or raw[2:4] != b"\0\0" or int.from_bytes(raw[4:6], "big") != len(raw) - 6:
        return None
    if raw[_HEADER] == _ERROR and len(raw) == _HEADER + 2 and raw[_HEADER + 1] in _EXCEPTIONS:
        return Fingerprint("modbus")
    if raw[_HEADER] != _FUNCTION or raw[_HEADER + 1] != _KIND or len(raw) < _OBJECTS:
        return None
    objects = _objects(raw)
    product = objects.get("product_name") or objects.get("model") or objects.get("vendor")
    return Fingerprint("modbus", product, objects.get("revision"), device="controller", extras=objects)


def _objects(raw: bytes) -> dict[str, str]:
    found = {}
    at = _OBJECTS
    while at + 2 <= len(raw):
        number, length = raw[at], raw[at + 1]
        text = clean(raw[at + 2 : at + 2 + length])
        if number in _NAMES and text:
            found[_NAMES[number]] = text
        at += 2 + length
    return found


PROTOCOL = Protocol(
    name="modbus",
    recognise=recognise,
    ports=(502,),
    words=lambda _: _REQUEST,
    exclusive=True,
    industrial=True,
    aliases=("mbap",),
)
