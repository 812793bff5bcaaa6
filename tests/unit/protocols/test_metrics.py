"""Programs by what they publish at /metrics."""

import gzip
from collections.abc import Callable

import pytest

from cobalt_tasks.protocols import Fingerprint
from cobalt_tasks.protocols.base import Target
from cobalt_tasks.protocols.identify import identify
from tests.support.peers import Answer, Peer

NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\r\n404 page not found\n"
LINKED = b'HTTP/1.1 200 OK\r\n\r\n<title>Node Exporter</title><a href="/metrics">Metrics</a>'
BUILD = (
    b'# TYPE redis_exporter_build_info gauge\nredis_exporter_build_info{branch="main",version="v1.62.0",tags="x"} 1\n'
)
ETCD = b'etcd_server_go_version{server_go_version="go1.19.8"} 1\netcd_server_version{server_version="3.4.23"} 1\n'
GO = b'go_build_info{checksum="",path="example.org/program",version="v9.9.9"} 1\n'


def served(page: bytes, metrics: bytes, *, head: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Fingerprint:
    """Return what is found out about a server with this page and these metrics. `head`: in front of the metrics."""

    def answer(asked: bytes) -> Answer:
        if asked.startswith(b"GET /metrics "):
            return head + metrics
        return page if asked.startswith(b"GET / ") else NOTHING

    return Peer(answer).run(identify(Target("192.0.2.1", 8080))).fingerprint


@pytest.mark.parametrize(
    ("page", "metrics", "found"),
    [
        (NOTHING, BUILD, ("redis_exporter", "1.62.0")),
        (NOTHING, ETCD, ("etcd", "3.4.23")),
        (NOTHING, GO + BUILD, ("redis_exporter", "1.62.0")),
        (
            LINKED,
            b'node_exporter_build_info{goversion="go1.19.5",version="1.5.0"} 1\n',
            ("Prometheus node exporter", "1.5.0"),
        ),
        # Two programs in one, only a library's, none, and a version that is another thing's.
        (NOTHING, BUILD + b'alertmanager_build_info{version="0.25.0"} 1\n', (None, None)),
        (NOTHING, GO, (None, None)),
        (NOTHING, b"", (None, None)),
        (NOTHING, b'x_build_info{goversion="go1.19.5"} 1\n', (None, None)),
        # What the page shows is not replaced by what else the process publishes.
        (LINKED, BUILD, ("Prometheus node exporter", None)),
    ],
)
def test_the_build_is_the_program(page: bytes, metrics: bytes, found: tuple[str | None, str | None]) -> None:
    """A page that leads to the metrics, or a server without a page and a name, is asked; one build is the program."""
    shown = served(page, metrics)
    assert (shown.product, shown.version) == found


def test_a_server_with_a_name_and_no_metrics_is_not_asked_for_them() -> None:
    """That would be one more connection to each web server."""
    peer = Peer({b"GET / ": b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\n"})
    peer.run(identify(Target("192.0.2.1", 8080)))
    assert not any(b"/metrics" in asked for asked in peer.sent)


def in_chunks(body: bytes) -> bytes:
    """Return a body in chunks of 50 bytes, without the last."""
    parts = (body[at : at + 50] for at in range(0, len(body), 50))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize("coded", [in_chunks, lambda body: body])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_metrics_come_in_chunks_and_compressed(coded: Callable[[bytes], bytes], is_compressed: bool) -> None:
    """Also cut where the read ends: what came until then counts."""
    head = b"HTTP/1.1 200 OK\r\n"
    head += b"Transfer-Encoding: chunked\r\n" if coded is in_chunks else b""
    head += b"Content-Encoding: gzip\r\n" if is_compressed else b""
    filler = b"".join(b'go_gc_duration_seconds{quantile="%d"} %d\n' % (n, n * n) for n in range(99))
    body = gzip.compress(BUILD + filler)[:-20] if is_compressed else BUILD + filler
    assert served(NOTHING, coded(body), head=head + b"\r\n").version == "1.62.0"


@pytest.mark.parametrize("body", [gzip.compress(bytes(8 << 20)), b"\x1f\x8b\x08broken", b"fffffff\r\nshort"])
def test_hostile_bodies_are_bounded(body: bytes) -> None:
    """What unpacks to 8 MiB, is broken or lies about its length shows no program."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    assert served(NOTHING, in_chunks(body), head=head).product is None
