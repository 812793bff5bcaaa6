"""NetBIOS name service: the names a host has registered (RFC 1002 4.2.17, 4.2.18)."""

from typing import Final

from cobalt_tasks.core.text import mac_address
from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_NUMBER: Final = b"\xc0\xba"
_WILDCARD: Final = b"\x20CK" + b"A" * 30 + b"\x00"
_STATUS: Final = bytes.fromhex("00210001")
_QUESTION: Final = _NUMBER + bytes.fromhex("00000001000000000000") + _WILDCARD + _STATUS
_ANSWER: Final = _WILDCARD + _STATUS
_HEAD, _NAME, _TTL_AND_LENGTH, _MAC = 12, 18, 6, 6
_GROUP: Final = 0x80
_WORKSTATION, _SERVER = 0x00, 0x20


def recognise(raw: bytes) -> Fingerprint | None:
    """The node's names: the computer's, its workgroup or domain, and what it serves."""
    if len(raw) < _HEAD or raw[2] & 0xF8 != 0x80 or raw[_HEAD : _HEAD + len(_ANSWER)] != _ANSWER:  # noqa: PLR2004  # a response
        return None
    at = _HEAD + len(_ANSWER) + _TTL_AND_LENGTH
    count = raw[at] if at < len(raw) else 0
    entries = [raw[at + 1 + _NAME * number :][:_NAME] for number in range(count)]
    whole = [entry for entry in entries if len(entry) == _NAME]
    extras = {
        "computer": next(
            (clean(each[:15]) for each in whole if each[15] == _WORKSTATION and not each[16] & _GROUP), None
        ),
        "group": next((clean(each[:15]) for each in whole if each[15] == _WORKSTATION and each[16] & _GROUP), None),
        "serves_files": "true" if any(each[15] == _SERVER for each in whole) else None,
        "mac": mac_address(raw[at + 1 + _NAME * count :][:_MAC].hex()),
    }
    shown = {name: value for name, value in extras.items() if value}
    # Samba has no MAC address to show, and leaves it zero.
    is_samba = raw[at + 1 + _NAME * count :][:_MAC] == bytes(_MAC)
    info = "\\".join(shown[name] for name in ("group", "computer") if name in shown)
    product, cpe = ("Samba nmbd", "samba:samba") if is_samba else (None, None)
    return Fingerprint("netbios-ns", product, info=info or None, cpe=cpe, extras=shown)


PROTOCOL = Protocol(
    name="netbios-ns",
    recognise=recognise,
    udp_ports=(137,),
    udp_words=lambda _: _QUESTION,
    aliases=("nbtstat", "netbios"),
)
