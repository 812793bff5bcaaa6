"""IKE: the first message of version 2; a responder answers with its choice, or with the reason against it (RFC 7296 1.2, 3)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_SPI: Final = b"CobaltIK"
_HEAD: Final = 28
_SA_INIT, _NOTIFY, _SA, _KE, _NONCE, _VENDOR = 34, 41, 33, 34, 40, 43
_NOTIFICATIONS: Final = {
    7: "syntax refused",
    14: "no proposal chosen",
    17: "other group wanted",
    16390: "cookie wanted",
}
_NON_ESP: Final = bytes(4)
"""In front of every message on port 4500 (RFC 3948 2.2)."""

_VERSIONS: Final = {0x10: "IKEv1", 0x20: "IKEv2"}


def _transform(kind: int, number: int, attributes: bytes = b"", *, is_last: bool = False) -> bytes:
    body = bytes((kind, 0)) + number.to_bytes(2, "big") + attributes
    return bytes((0 if is_last else 3, 0)) + (len(body) + 4).to_bytes(2, "big") + body


def _payload(following: int, body: bytes) -> bytes:
    return bytes((following, 0)) + (len(body) + 4).to_bytes(2, "big") + body


def _request() -> bytes:
    """Return IKE_SA_INIT: AES-CBC-256 and 128, SHA-256, groups 31, 19 and 14, with a key share of Curve25519."""
    transforms = (
        _transform(1, 12, bytes.fromhex("800e0100")),
        _transform(1, 12, bytes.fromhex("800e0080")),
        _transform(2, 5),
        _transform(3, 12),
        _transform(4, 31),
        _transform(4, 19),
        _transform(4, 14, is_last=True),
    )
    chosen = b"".join(transforms)
    proposal = b"\0\0" + (len(chosen) + 8).to_bytes(2, "big") + bytes((1, 1, 0, len(transforms))) + chosen
    share = (31).to_bytes(2, "big") + b"\0\0" + b"\x09" + bytes(31)
    body = _payload(_KE, proposal) + _payload(_NONCE, share) + _payload(0, b"Cobalt-probe-nonce-of-32-octets!")
    return (
        _SPI + bytes(8) + bytes((_SA, 0x20, _SA_INIT, 0x08)) + bytes(4) + (_HEAD + len(body)).to_bytes(4, "big") + body
    )


_QUESTION: Final = _request()


def recognise(raw: bytes) -> Fingerprint | None:
    """A message that returns our SPI, whose length is right: which version, and what it holds."""
    raw = raw.removeprefix(_NON_ESP)
    if not raw.startswith(_SPI) or len(raw) < _HEAD or int.from_bytes(raw[24:28], "big") != len(raw):
        return None
    version = _VERSIONS.get(raw[17] & 0xF0)
    if version is None:
        return None
    said = _NOTIFICATIONS.get(int.from_bytes(raw[34:36], "big")) if raw[16] == _NOTIFY else None
    return Fingerprint("ike", info=f"{version}, {said}" if said else version)


PROTOCOL = Protocol(
    name="ike",
    recognise=recognise,
    udp_ports=(500, 4500),
    udp_words=lambda target: (_NON_ESP if target.port == 4500 else b"") + _QUESTION,  # noqa: PLR2004
    aliases=("isakmp", "ipsec"),
)
