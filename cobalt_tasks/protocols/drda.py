"""DRDA, which Db2 and Apache Derby speak: the exchange of attributes (DRDA volume 3, EXCSAT and EXCSATRD)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_EXCSAT, _EXCSATRD = 0x1041, 0x1443
_EXTERNAL_NAME, _CLASS, _RELEASE, _SERVER, _LEVELS = 0x115E, 0x1147, 0x115A, 0x116D, 0x1404
_HEAD: Final = 10
_MOST_FIELDS: Final = 20
_EBCDIC: Final = "cp500"


def _field(code: int, value: bytes) -> bytes:
    return (4 + len(value)).to_bytes(2, "big") + code.to_bytes(2, "big") + value


def _request() -> bytes:
    levels = bytes.fromhex("14030007 240f0007 14740005 24070007 14400007")
    names = {_EXTERNAL_NAME: "cobalt", _SERVER: "cobalt", _RELEASE: "cobalt", _CLASS: "cobalt"}
    body = b"".join(_field(code, name.encode(_EBCDIC)) for code, name in names.items()) + _field(_LEVELS, levels)
    command = _field(_EXCSAT, body)
    return (6 + len(command)).to_bytes(2, "big") + b"\xd0\x01\x00\x01" + command


_REQUEST: Final = _request()
_REPLY: Final = re.compile(rb"[\x00-\xff]{2}\xd0[\x00-\x7f]\x00\x01[\x00-\xff]{2}\x14\x43", re.DOTALL)
_DB2: Final = re.compile(r"SQL([0-9]{2})([0-9]{2})([0-9])$")
_DERBY: Final = re.compile(r"/([0-9]{1,3}(?:\.[0-9]{1,3}){1,3})\b")


def recognise(raw: bytes) -> Fingerprint | None:
    """The reply's class and release name the product; its words are EBCDIC."""
    if not _REPLY.match(raw):
        return None
    fields = {code: value.decode(_EBCDIC, "replace").strip("\x00 ") for code, value in _fields(raw)}
    kind, release = fields.get(_CLASS, ""), fields.get(_RELEASE, "")
    derby, db2 = _DERBY.search(release), _DB2.match(release)
    if "Derby" in kind:
        return Fingerprint("drda", "Apache Derby", derby[1] if derby else None, cpe="apache:derby")
    if kind.startswith("QDB2") and db2:
        version = ".".join(str(int(part)) for part in db2.groups())
        return Fingerprint("drda", "IBM Db2", version, info=clean(kind.encode()), cpe="ibm:db2")
    return Fingerprint("drda", info=clean(f"{kind} {release}".encode()))


def _fields(raw: bytes) -> list[tuple[int, bytes]]:
    """Return codes and values of a reply, as far as it came."""
    found: list[tuple[int, bytes]] = []
    at = _HEAD
    while at + 4 <= len(raw) and len(found) < _MOST_FIELDS:
        length = int.from_bytes(raw[at : at + 2], "big")
        if length < 4:  # noqa: PLR2004  # its own head
            break
        found.append((int.from_bytes(raw[at + 2 : at + 4], "big"), raw[at + 4 : at + length]))
        at += length
    return found


PROTOCOL = Protocol(
    name="drda", recognise=recognise, ports=(1527, 50000), words=lambda _: _REQUEST, likelihood=53, rejects_http=True
)
