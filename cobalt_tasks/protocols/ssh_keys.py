"""SSH: the key exchange as far as the server's host key (RFC 4253 7 and 8, RFC 5656 4, RFC 8731). No secret is made.

The client's part of the exchange is a constant: the base point of a curve, or a power of the generator. That is enough for
the server to show its host key, and the connection ends there.
"""

import base64
import hashlib
import struct
from collections.abc import Mapping
from typing import Final

from cobalt_tasks.protocols.base import Send, Steps

_KEXINIT, _KEX_INIT, _KEX_REPLY = 20, 30, 31
_COOKIE: Final = 16
_LISTS: Final = 10
_SMALLEST_PACKET, _LARGEST_PACKET = 12, 35_000
_LIMIT: Final = 8192

_CURVE25519: Final = b"\x09" + bytes(31)
_P256: Final = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
_NUMBER: Final = b"\x20" + bytes(118) + b"\x55\x55"
"""Any number below the prime of each group; servers refuse one of few bits."""

_EXCHANGES: Final[Mapping[str, bytes]] = {
    "curve25519-sha256": _CURVE25519,
    "curve25519-sha256@libssh.org": _CURVE25519,
    "ecdh-sha2-nistp256": _P256,
    "diffie-hellman-group14-sha256": _NUMBER,
    "diffie-hellman-group16-sha512": _NUMBER,
    "diffie-hellman-group14-sha1": _NUMBER,
    "diffie-hellman-group1-sha1": _NUMBER,
}
"""What the client sends first in each exchange, the wanted ones first."""

_HOST_KEYS: Final = (
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-256,rsa-sha2-512,ssh-rsa,ssh-dss"
)
_CIPHERS: Final = (
    "aes128-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes192-ctr,"
    "aes128-cbc,aes256-cbc,3des-cbc"
)
_MACS: Final = "hmac-sha2-256,hmac-sha2-512,hmac-sha2-256-etm@openssh.com,hmac-sha1,hmac-md5"


def exchange(identification: bytes, received: bytes) -> Steps[dict[str, str]]:
    """Return the conversation that finds out the server's algorithms and its host key, by name; empty if it shows none.

    identification: how the client introduces itself, one line without its end; received: what the server has sent so far.
    """
    opening = identification + b"\r\n" + _packet(_kexinit())
    offered = _payload(received.partition(b"\n")[2])
    if not offered:
        packets = received.partition(b"\n")[2]
        reply = yield _ask(opening, packets)
        opening, offered = b"", _payload(packets + reply.data)
    lists = _lists(offered) if offered else None
    if lists is None:
        return {}
    found = {"hassh": _hassh(lists)}
    chosen = next((each for each in _EXCHANGES if each in lists[0].split(",")), None)
    if chosen is None:
        return found
    reply = yield _ask(opening + _packet(bytes((_KEX_INIT,)) + _string(_EXCHANGES[chosen])))
    return {**found, **_host_key(_payload(reply.data))}


def _ask(data: bytes, before: bytes = b"") -> Send:
    """Return the step that sends data, and receives the rest of a packet of which the start came before."""

    def is_complete(received: bytes) -> bool:
        return bool(_payload(before + received))

    return Send(data, is_complete=is_complete, limit=_LIMIT, is_evidence=False)


def _kexinit() -> bytes:
    lists = (",".join(_EXCHANGES), _HOST_KEYS, _CIPHERS, _CIPHERS, _MACS, _MACS, "none", "none", "", "")
    return bytes((_KEXINIT,)) + bytes(_COOKIE) + b"".join(_string(each.encode()) for each in lists) + bytes(5)


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _packet(payload: bytes) -> bytes:
    """Return a packet (RFC 4253 6), padded to a multiple of eight bytes."""
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0  # noqa: PLR2004  # the least padding
    return struct.pack("!IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def _payload(data: bytes) -> bytes:
    """Return the payload of the first packet; empty if it is not all there."""
    size = int.from_bytes(data[:4], "big")
    if not _SMALLEST_PACKET <= size <= _LARGEST_PACKET or len(data) < 4 + size:
        return b""
    return data[5 : 4 + size - data[4]]


def _strings(data: bytes, at: int, count: int) -> list[bytes] | None:
    """Return `count` strings from offset `at` on; None if the data breaks off."""
    found = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            return None
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _lists(payload: bytes) -> list[str] | None:
    """Return the lists of algorithms a server offers; None if this is no such message."""
    found = _strings(payload, 1 + _COOKIE, _LISTS) if payload[0] == _KEXINIT else None
    if found is None or not all(each.isascii() for each in found):
        return None
    return [each.decode("ascii") for each in found]


def _hassh(lists: list[str]) -> str:
    """Return the digest of what a server offers, as hasshServer defines it (https://github.com/salesforce/hassh)."""
    exchanges, _, _, ciphers, _, macs, _, compressions, *_ = lists
    offered = f"{exchanges};{ciphers};{macs};{compressions}"
    return hashlib.md5(offered.encode("ascii"), usedforsecurity=False).hexdigest()


def _host_key(payload: bytes) -> dict[str, str]:
    """Return type and fingerprint of the host key in the server's part of the exchange."""
    found = _strings(payload, 1, 1) if payload[:1] == bytes((_KEX_REPLY,)) else None
    parts = _strings(found[0], 0, 1) if found else None
    if not found or not parts or not parts[0].isascii() or not parts[0].decode("ascii").isprintable():
        return {}
    digest = base64.b64encode(hashlib.sha256(found[0]).digest()).decode().rstrip("=")
    return {"host_key": f"SHA256:{digest}", "host_key_type": parts[0].decode("ascii")[:64]}
