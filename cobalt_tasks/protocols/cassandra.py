"""Cassandra: OPTIONS of its native protocol, which needs no login (Native Protocol v4, 4.1.3 and 4.2.4)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_OPTIONS: Final = bytes.fromhex("04 00 0000 05 00000000")
_ERROR, _SUPPORTED = 0, 6
_HEAD: Final = 9
_RESPONSE: Final = 0x80
_VERSIONS: Final = range(3, 7)
_PROTOCOL_ERROR: Final = re.compile(
    rb"\x00\x00\x00\x0a..(?:Invalid or unsupported protocol version|Beta version)", re.DOTALL
)
_CQL: Final = re.compile(rb"\x00\x0bCQL_VERSION\x00.\x00.([0-9][0-9.]{0,20})", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """SUPPORTED, whose options Scylla adds its own to; or the error of another version of the protocol."""
    if len(raw) < _HEAD or raw[0] & 0x7F not in _VERSIONS or not raw[0] & _RESPONSE:
        return None
    if raw[4] == _ERROR and _PROTOCOL_ERROR.match(raw, _HEAD):
        return Fingerprint("cassandra")
    if raw[4] != _SUPPORTED:
        return None
    body = raw[_HEAD:]
    cql = _CQL.search(body)
    if not cql:
        return None
    product, cpe = ("ScyllaDB", "scylladb:scylladb") if b"SCYLLA_" in body else ("Apache Cassandra", "apache:cassandra")
    version = clean(cql[1])
    return Fingerprint("cassandra", product, info=f"CQL {version}" if version else None, cpe=cpe)


PROTOCOL = Protocol(
    name="cassandra", recognise=recognise, ports=(9042,), tls_ports=(9142,), words=lambda _: _OPTIONS, aliases=("cql",)
)
