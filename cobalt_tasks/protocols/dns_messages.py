"""Questions to DNS servers and their answers (RFC 1035 4), as far as look-ups of names and addresses need them. No I/O.

dnspython reads every record there is, at ten times the cost; a look-up needs PTR, A, AAAA, CNAME and SOA.
"""

import struct
from enum import IntEnum
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

Labels = tuple[bytes, ...]
"""A name, label by label, without the root."""

HEAD: Final = 12
_POINTER, _LARGE_LABEL = 0xC0, 63
_RESPONSE, _OPCODE, _TRUNCATED = 0x8000, 0x7800, 0x0200
_RECURSE: Final = 0x0100
_IN: Final = 1
_LONGEST_NAME: Final = 255
_MOST_JUMPS: Final = 20
_MOST_RECORDS: Final = 2000
_LONGEST_CHAIN: Final = 16
_QUESTION_NAME: Final = b"\xc0\x0c"
"""How servers write the name of the question: as a pointer to it."""

_FIXED: Final = struct.Struct("!HHIH")
_COUNTS: Final = struct.Struct("!HHHHHH")
_SOA_MINIMUM: Final = struct.Struct("!I")


class RecordType(IntEnum):
    """The types of records that are read."""

    A = 1
    CNAME = 5
    SOA = 6
    PTR = 12
    AAAA = 28


class ResponseCode(IntEnum):
    """What servers answer (RFC 1035 4.1.1)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3


class DnsMessage(Struct, frozen=True, kw_only=True):
    """An answer.

    code: as in ResponseCode, or another. truncated: the rest is to be had over TCP.
    names, addresses: what the records of the asked type hold, at the end of a chain of CNAMEs.
    ttl: seconds, the smallest on the way, or a negative answer's (RFC 2308); None if it has none.
    """

    code: int
    truncated: bool = False
    names: tuple[Labels, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl: int | None = None


class _MalformedError(Exception):
    """The message breaks off, or leads in circles."""


class _ResourceRecord(Struct, frozen=True):
    owner: bytes
    kind: int
    ttl: int
    start: int
    size: int


def reverse_name(address: str) -> Labels:
    """Return the name below which the names of an address stand (RFC 1035 3.5, RFC 3596 2.5)."""
    if ":" not in address:
        return (*reversed(address.encode("ascii").split(b".")), b"in-addr", b"arpa")
    return tuple(ip_address(address).reverse_pointer.encode("ascii").split(b"."))


def question(name: Labels, kind: RecordType) -> bytes:
    """Return a question for the records of a type of a name.

    Args:
        name: the name.
        kind: the type.

    Raises:
        ValueError: the name is too long.

    """
    sizes = [*map(len, name)]
    if sizes and (min(sizes) == 0 or max(sizes) > _LARGE_LABEL or sum(sizes) + len(sizes) >= _LONGEST_NAME):
        raise ValueError("no name of DNS")
    wire = b"".join([bytes((len(label),)) + label for label in name])
    return wire + b"\x00" + struct.pack("!HH", kind, _IN)


def query(identity: int, asked: bytes) -> bytes:
    """Return the message that asks a question.

    Args:
        identity: a number of 16 bits that the answer repeats.
        asked: the question.

    """
    return _COUNTS.pack(identity, _RECURSE, 1, 0, 0, 0) + asked


def parse(message: bytes, asked: bytes) -> DnsMessage | None:
    """Read an answer; None if it is none to this question, or cannot be read.

    Args:
        message: the answer, whose identity is right.
        asked: the question.

    """
    if len(message) < HEAD:
        return None
    _, flags, questions, answers, authorities, _ = _COUNTS.unpack_from(message)
    code, is_ours = flags & 0xF, questions == 1 and message[HEAD : HEAD + len(asked)].lower() == asked.lower()
    # A server that cannot read a question need not repeat it.
    is_refusal = not questions and code not in {ResponseCode.NOERROR, ResponseCode.NXDOMAIN}
    if not flags & _RESPONSE or flags & _OPCODE or not (is_ours or is_refusal):
        return None
    if is_refusal or flags & _TRUNCATED:
        return DnsMessage(code=code, truncated=not is_refusal)
    try:
        records = _records(message, HEAD + len(asked), min(answers + authorities, _MOST_RECORDS))
        return _reply(message, code, asked, records[:answers], records[answers:])
    except (_MalformedError, struct.error):
        return None


def _reply(
    message: bytes, code: int, asked: bytes, answers: list[_ResourceRecord], authorities: list[_ResourceRecord]
) -> DnsMessage:
    kind = int.from_bytes(asked[-4:-2], "big")
    name, ttls = asked[:-4].lower(), []
    for _ in range(_LONGEST_CHAIN):
        alias = next((each for each in answers if each.kind == RecordType.CNAME and each.owner == name), None)
        if alias is None or kind == RecordType.CNAME:
            break
        ttls.append(alias.ttl)
        name = _wire(_name(message, alias.start)[0])
    found = [each for each in answers if each.kind == kind and each.owner == name]
    ttls += [each.ttl for each in found]
    if not found:
        ttls += [_negative_ttl(message, each) for each in authorities if each.kind == RecordType.SOA][:1]
    ttl = min(ttls, default=None)
    if kind == RecordType.PTR:
        names = tuple(dict.fromkeys(_name(message, each.start)[0] for each in found))
        return DnsMessage(code=code, names=names, ttl=ttl)
    size = 4 if kind == RecordType.A else 16
    addresses = [str(ip_address(message[each.start : each.start + size])) for each in found if each.size == size]
    return DnsMessage(code=code, addresses=tuple(addresses), ttl=ttl)


def _records(message: bytes, at: int, count: int) -> list[_ResourceRecord]:
    """Return the records from an offset on; those of no interest are passed over."""
    records, own = [], message[HEAD:]
    for _ in range(count):
        if message[at : at + 2] == _QUESTION_NAME:
            owner, at = own[: own.index(b"\x00") + 1].lower(), at + 2
        else:
            labels, at = _name(message, at)
            owner = _wire(labels)
        kind, _, ttl, size = _FIXED.unpack_from(message, at)
        at += _FIXED.size
        if at + size > len(message):
            raise _MalformedError
        # RFC 2181 8: a TTL with the highest bit set counts as 0.
        records.append(_ResourceRecord(owner, kind, ttl if ttl < 1 << 31 else 0, at, size))
        at += size
    return records


def _name(message: bytes, at: int) -> tuple[Labels, int]:
    """Return the name at an offset, and the offset behind it."""
    labels: list[bytes] = []
    end, jumps, length = 0, 0, 0
    while True:
        if at >= len(message):
            raise _MalformedError
        size = message[at]
        if size >= _POINTER:
            jumps += 1
            if at + 1 >= len(message) or jumps > _MOST_JUMPS:
                raise _MalformedError
            end = end or at + 2
            at = (size & ~_POINTER) << 8 | message[at + 1]
        elif size > _LARGE_LABEL:
            raise _MalformedError
        elif size == 0:
            return tuple(labels), end or at + 1
        else:
            label = message[at + 1 : at + 1 + size]
            at += 1 + size
            length += 1 + size
            if len(label) < size or length >= _LONGEST_NAME:
                raise _MalformedError
            labels.append(label)


def _wire(labels: Labels) -> bytes:
    return b"".join(bytes((len(label),)) + label.lower() for label in labels) + b"\x00"


def _negative_ttl(message: bytes, record: _ResourceRecord) -> int:
    """Return for how long a negative answer holds (RFC 2308 5)."""
    (minimum,) = _SOA_MINIMUM.unpack_from(message, record.start + record.size - _SOA_MINIMUM.size)
    return min(record.ttl, int(minimum))
