"""Writes and reads the little of BER that LDAP and SNMP need (ITU-T X.690)."""

from collections.abc import Iterator

INTEGER = 0x02
OCTETS = 0x04
SEQUENCE = 0x30
SET = 0x31
ENUMERATED = 0x0A
BOOLEAN = 0x01
_LONG = 0x80


def encode(tag: int, *contents: bytes) -> bytes:
    """Return one element: its tag, its length in the long form where needed, and its contents."""
    body = b"".join(contents)
    if len(body) < _LONG:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(length))) + length + body


def integer(value: int) -> bytes:
    """Return a non-negative INTEGER."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def elements(raw: bytes, *, most: int = 200) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, contents) of each element in `raw`; the last one may be cut. Stops at what is no BER.

    most: elements yielded at most.
    """
    at = 0
    while most and at + 2 <= len(raw):
        tag, length = raw[at], raw[at + 1]
        at += 2
        if length & _LONG:
            size = length & ~_LONG
            if not 0 < size <= 4 or at + size > len(raw):  # noqa: PLR2004  # four bytes are four gigabytes
                return
            length = int.from_bytes(raw[at : at + size], "big")
            at += size
        yield tag, raw[at : at + length]
        at += length
        most -= 1


def first(raw: bytes, tag: int) -> bytes | None:
    """Return the contents of the element that `raw` starts with; None if its tag is not `tag`."""
    found = next(elements(raw, most=1), None)
    return found[1] if found and found[0] == tag else None
