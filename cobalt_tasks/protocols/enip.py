"""EtherNet/IP: ListIdentity, which needs no session and changes nothing (CIP Networks Library, volume 2, 2-4.2)."""

import struct
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_COMMAND: Final = b"\x63\x00"
_CONTEXT: Final = b"CobaltEI"
_QUESTION: Final = _COMMAND + bytes(10) + _CONTEXT + bytes(4)
_HEAD, _IDENTITY = 24, 12
_ITEM: Final = b"\x0c\x00"
_FIELDS: Final = struct.Struct("<HHHBBHIB")
_FIELDS_AT: Final = _HEAD + 2 + 4 + 2 + 16
"""Behind the header: count, type and length of the item, version of the protocol, socket address."""

_VENDORS: Final = {
    1: "Rockwell Automation",
    5: "Rockwell Automation",
    47: "Omron",
    243: "Schneider Electric",
    283: "Hilscher",
}
_DEVICES: Final = {
    2: "drive",
    7: "input and output",
    12: "communications adapter",
    14: "controller",
    24: "panel",
    44: "switch",
}


def recognise(raw: bytes) -> Fingerprint | None:
    """The identity object: vendor, kind of device, revision, serial number, name."""
    if not raw.startswith(_COMMAND) or len(raw) < _FIELDS_AT + _FIELDS.size or raw[8:12] != bytes(4):
        return None
    if int.from_bytes(raw[2:4], "little") > len(raw) - _HEAD or raw[_HEAD + 2 : _HEAD + 4] != _ITEM:
        return None
    vendor, kind, code, major, minor, _, serial, length = _FIELDS.unpack_from(raw, _FIELDS_AT)
    at = _FIELDS_AT + _FIELDS.size
    name = clean(raw[at : at + length])
    extras = {
        "vendor": _VENDORS.get(vendor, f"number {vendor}"),
        "product_code": str(code),
        "serial": f"{serial:08x}",
    }
    device = _DEVICES.get(kind, "controller")
    return Fingerprint("ethernet-ip", name, f"{major}.{minor:03}" if name else None, device=device, extras=extras)


def is_complete(raw: bytes) -> bool:
    """Return whether as much is there as the header announces."""
    return len(raw) >= _HEAD and len(raw) >= _HEAD + int.from_bytes(raw[2:4], "little")


PROTOCOL = Protocol(
    name="ethernet-ip",
    recognise=recognise,
    ports=(44818,),
    udp_ports=(44818,),
    words=lambda _: _QUESTION,
    udp_words=lambda _: _QUESTION,
    is_complete=is_complete,
    exclusive=True,
    industrial=True,
    aliases=("enip", "EtherNetIP-2", "ethernetip"),
)
