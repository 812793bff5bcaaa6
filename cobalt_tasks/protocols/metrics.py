"""Programs that publish their version among the metrics at `/metrics` (Prometheus' exposition format): `NAME_build_info`."""

import re
import zlib
from typing import Final

from cobalt_tasks.protocols.fingerprint import clean

PATH: Final = "/metrics"
ENCODING: Final = "gzip"
LIMIT: Final = 16 * 1024
"""Bytes of the answer that are read: compressed, they hold ten times as much."""

_MOST_TEXT: Final = 1 << 20
_GZIP: Final = 31
"""The window of zlib that expects the head of gzip."""

_LINE: Final = re.compile(
    rb"^(?:([a-z][a-z0-9_]{0,60})_build_info\{(?:[^}\n]{0,500},)?(?:git_?)?[vV]ersion|(etcd)_server_version\{server_version)"
    rb'="v?([0-9][\w.+-]{0,40})"',
    re.MULTILINE,
)
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,7})[^\r\n]{0,100}\r\n")
_CHUNKED: Final = re.compile(rb"^Transfer-Encoding:[ \t]*chunked", re.IGNORECASE | re.MULTILINE)
_COMPRESSED: Final = re.compile(rb"^Content-Encoding:[ \t]*gzip", re.IGNORECASE | re.MULTILINE)

_LIBRARIES: Final = frozenset({b"go", b"python", b"process"})
_PRODUCTS: Final = {
    b"prometheus": "Prometheus",
    b"node_exporter": "Prometheus node exporter",
    b"alertmanager": "Alertmanager",
    b"grafana": "Grafana",
    b"coredns": "CoreDNS",
    b"kubernetes": "Kubernetes",
    b"pushgateway": "Prometheus Pushgateway",
    b"blackbox_exporter": "Prometheus blackbox exporter",
    b"snmp_exporter": "Prometheus SNMP exporter",
    b"process_exporter": "Prometheus process exporter",
}
_PUBLISHERS: Final = frozenset(_PRODUCTS.values())
_LINK: Final = b'href="metrics"'


def are_worthwhile(page: bytes, product: str | None, *, is_found: bool) -> bool:
    """Return whether a server is asked for its metrics.

    page: its answer for `/`; product: what that shows, None for nothing; is_found: the server has a page there.
    """
    is_linked = PATH.encode() in page or _LINK in page
    return is_linked or product in _PUBLISHERS or not (product or is_found)


def program_in(head: bytes, body: bytes) -> tuple[str, str | None] | None:
    """Return product and version of the one program that publishes its build; None for none, or for several.

    head, body: of the answer.
    """
    if _CHUNKED.search(head):
        body = _joined(body)
    if _COMPRESSED.search(head):
        body = _unpacked(body)
    found = {(each[1] or each[2], each[3]) for each in _LINE.finditer(body)}
    programs = {(name, version) for name, version in found if name not in _LIBRARIES}
    if len(programs) != 1:
        return None
    name, version = programs.pop()
    product = _PRODUCTS.get(name) or clean(name)
    return (product, clean(version)) if product else None


def _joined(body: bytes) -> bytes:
    """Return a body without the lengths of its chunks, as far as it came (RFC 9112 7.1)."""
    parts, at = [], 0
    while found := _CHUNK.match(body, at):
        size = int(found[1], 16)
        if not size:
            break
        parts.append(body[found.end() : found.end() + size])
        at = found.end() + size + 2
    return b"".join(parts)


def _unpacked(body: bytes) -> bytes:
    """Return the text of a compressed body, as far as it came, up to a bound."""
    try:
        return zlib.decompressobj(_GZIP).decompress(body, _MOST_TEXT)
    except zlib.error:
        return b""
