"""NFS: a call of a version that does not exist, answered by those that do (RFC 5531, RFC 8881)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_XID: Final = b"\xc0\xba\x20\x49"
_CALL: Final = _XID + bytes.fromhex("00000000 00000002 000186a3 0001977c 00000000") + bytes(16)
_ACCEPTED: Final = _XID + bytes.fromhex("00000001 00000000 00000000 00000000 00000002")
_MARK: Final = 4
_HIGHEST: Final = 4


def recognise(raw: bytes) -> Fingerprint | None:
    """A reply with our number: the lowest and the highest version."""
    if raw[:1] == b"\x80" and raw[_MARK : _MARK + 4] == _XID:
        raw = raw[_MARK:]
    if not raw.startswith(_ACCEPTED) or len(raw) < len(_ACCEPTED) + 8:
        return None
    low, high = (int.from_bytes(raw[len(_ACCEPTED) + at :][:4], "big") for at in (0, 4))
    return Fingerprint("nfs", info=f"NFS versions {low}-{high}") if 1 < low <= high <= _HIGHEST else None


PROTOCOL = Protocol(
    name="nfs",
    recognise=recognise,
    ports=(2049,),
    udp_ports=(2049,),
    words=lambda _: (0x80000000 | len(_CALL)).to_bytes(_MARK, "big") + _CALL,
    udp_words=lambda _: _CALL,
)
