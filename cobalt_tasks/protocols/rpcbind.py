"""rpcbind: a call of a version that does not exist, answered by those that do (RFC 5531, RFC 1833)."""

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_XID = b"\xc0\xba\x17\x00"
_CALL = _XID + bytes.fromhex("00000000 00000002 000186a0 0001977c 00000000") + bytes(16)
_ACCEPTED = bytes.fromhex("00000001 00000000")
_MISMATCH = 2
_HEAD = 24
_MARK = 4
_RPCBIND = 4
"""The version of the protocol that portmap, the program before rpcbind, does not speak."""


def recognise(raw: bytes) -> Fingerprint | None:
    """A reply with our number; program and versions 2 to 4 are rpcbind's, 2 alone is portmap's."""
    if raw[:1] == b"\x80" and raw[4:8] == _XID:
        raw = raw[4:]
    if not raw.startswith(_XID + _ACCEPTED):
        return None
    low, high = (int.from_bytes(raw[at : at + 4], "big") for at in (_HEAD, _HEAD + 4))
    if len(raw) < _HEAD + 8 or raw[_HEAD - 1] != _MISMATCH:
        return Fingerprint("rpcbind")
    product = "rpcbind" if high == _RPCBIND else "portmap"
    return Fingerprint("rpcbind", product, info=f"RPC versions {min(low, 99)}-{min(high, 99)}")


def is_complete(raw: bytes) -> bool:
    """Return whether the record has the length it announces, over TCP."""
    return len(raw) > _MARK and len(raw) >= _MARK + int.from_bytes(raw[1:_MARK], "big")


PROTOCOL = Protocol(
    name="rpcbind",
    recognise=recognise,
    ports=(111,),
    udp_ports=(111,),
    words=lambda _: (0x80000000 | len(_CALL)).to_bytes(4, "big") + _CALL,
    udp_words=lambda _: _CALL,
    is_complete=is_complete,
    likelihood=22,
    aliases=("sunrpc", "portmap", "portmapper"),
)
