"""The conversation that finds out what a port speaks, with peers made of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.protocols import registry
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Send, StartTls, StepResult, Target
from cobalt_tasks.protocols.favicon import murmur3
from cobalt_tasks.protocols.identify import identify
from cobalt_tasks.protocols.secure import open_tls
from tests.support.peers import Peer

PAGE = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 2\r\n\r\nok"


def target(port: int = 31337, **known: str) -> Target:
    """Return a port to speak to."""
    return Target("192.0.2.1", port, **known)


def test_a_greeting_ends_it() -> None:
    """A server that speaks first is not sent the words of others."""
    peer = Peer(greeting=b"SSH-2.0-OpenSSH_9.2p1\r\n")
    found = peer.run(identify(target()))
    assert (found.service, found.fingerprint.version, peer.connections) == ("ssh", "9.2p1", 1)
    assert not any(b"GET" in sent for sent in peer.sent)


@pytest.mark.parametrize(
    ("answers", "service"),
    [
        ({b"EHLO": b"250-mx\r\n250 STARTTLS\r\n"}, "smtp"),
        ({b"EHLO": b"500 What?\r\n", b"HELO": b"250 mx\r\n"}, "smtp"),
        ({b"EHLO": b"530 Log in first.\r\n", b"FEAT": b"530 Log in first.\r\n"}, "ftp"),
        ({b"EHLO": b"500 What?\r\n", b"HELO": b"500 What?\r\n", b"FEAT": b"211-Features\r\n211 End\r\n"}, "ftp"),
        ({b"EHLO": b"500 What?\r\n", b"HELO": b"500 What?\r\n", b"FEAT": b"500 What?\r\n"}, None),
    ],
)
def test_a_greeting_that_names_no_protocol_is_answered(answers: dict[bytes, bytes], service: str | None) -> None:
    """Mail and file servers both greet with 220; what follows distinguishes them where their words do not."""
    peer = Peer(lambda data: answers.get(data[:4], b"?\r\n"), greeting=b"220 box.example.com at your service\r\n")
    found = peer.run(identify(target())).fingerprint
    assert (found.service, found.names) == (service, ("box.example.com",) if service else ())


def test_a_silent_server_is_spoken_to() -> None:
    """The words of what is likely anywhere are tried over the connection that listened."""
    peer = Peer({b"GET / ": PAGE})
    found = peer.run(identify(target()))
    assert (found.service, found.raw, peer.connections) == ("http", PAGE, 1)


@pytest.mark.parametrize("port", [443, 80, 31337])
def test_inside_tls(port: int) -> None:
    """What speaks inside TLS is found on any port, whichever words came first."""
    found = Peer({b"GET / ": None}, inside=Peer({b"GET / ": PAGE})).run(identify(target(port)))
    assert (found.service, found.certificate) == ("https", b"DER")
    assert found.has_certificate


def test_a_greeting_inside_tls() -> None:
    """A greeting is awaited before anything is sent inside TLS, on any port."""
    inside = Peer(greeting=b"220 mx.example.com ESMTP Postfix\r\n")
    peer = Peer({b"GET / ": None}, inside=inside)
    found = peer.run(identify(target(10465)))
    assert (found.service, found.fingerprint.product) == ("smtps", "Postfix")


def test_a_port_that_wants_tls() -> None:
    """Plain words answered by a demand for TLS are followed by TLS; without it the demand is what is known."""
    demand = b"HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    found = Peer({b"GET / ": demand}, inside=Peer({b"GET / ": PAGE})).run(identify(target(80)))
    assert (found.service, found.raw) == ("https", PAGE)
    found = Peer({b"GET / ": demand}).run(identify(target(80)))
    assert (found.service, found.raw) == ("http", demand)


def test_silence_and_refusal() -> None:
    """A port that never answers is silent; one that closes at once ended."""
    found = Peer().run(identify(target()))
    assert found.is_silent
    assert not found.is_answered
    steps = identify(target())
    assert next(steps) == Connect()
    with pytest.raises(StopIteration) as end:
        steps.send(StepResult(status=ConnectionStatus.REFUSED))
    assert (end.value.value.status, end.value.value.is_silent) == (ConnectionStatus.REFUSED, False)


def test_a_silent_port_costs_few_connections() -> None:
    """A port that keeps each connection and is silent gets five of them, and 4 s; the protocol of its number is asked as well.

    Break: return `pending` as it is from `_after_silence`.
    """
    for port, own in ((31337, 0), (6379, 1)):
        peer = Peer(without_tls=ConnectionStatus.TIMEOUT)
        found = peer.run(identify(target(port)))
        assert (found.is_silent, peer.connections) == (True, 5 + own)
        assert sum(step.wait or 0 for step in peer.steps if isinstance(step, Send | StartTls)) <= 4 + 1.5 * own
    words = registry.BY_NAME["redis"].words
    assert words
    assert peer.sent[0] == words(target())


@pytest.mark.parametrize("name", sorted(each.name for each in registry.PROTOCOLS if each.rejects_http))
def test_what_rejects_http_is_sought_where_http_was_rejected(name: str) -> None:
    """A port that hangs up on HTTP is asked in the protocols whose servers do so, whatever its silence to others."""
    protocol = registry.BY_NAME[name]
    assert protocol.words
    own = protocol.words(target())

    def hang_up_on_http(data: bytes) -> bytes | None:
        return None if data.startswith(b"GET ") else b""

    peer = Peer(hang_up_on_http, without_tls=ConnectionStatus.TIMEOUT)
    peer.run(identify(target()))
    assert own in peer.sent


def test_words_after_silence_share_the_connection_of_http() -> None:
    """A server that waited after an HTTP request is asked in SIP on the same connection, and recognised."""
    answer = b"SIP/2.0 200 OK\r\nServer: kamailio (5.6.3 (x86_64/linux))\r\nContent-Length: 0\r\n\r\n"
    peer = Peer({b"OPTIONS ": answer}, without_tls=ConnectionStatus.TIMEOUT)
    assert (peer.run(identify(target())).service, peer.connections) == ("sip", 1)


def test_a_controller_is_sent_nothing_unasked() -> None:
    """The port of a controller is listened to alone, unless the user allows more; it is silent then."""
    peer = Peer()
    found = peer.run(identify(target(502)))
    assert (found.is_silent, peer.sent) == (True, [])
    Peer.run(peer, identify(Target("192.0.2.1", 502, industrial=True)))
    assert len(peer.sent) == 1


@pytest.mark.parametrize("status", [ConnectionStatus.EXHAUSTED, ConnectionStatus.TIMEOUT])
def test_what_is_hopeless_ends_it(status: ConnectionStatus) -> None:
    """No further connection is tried after one that this machine could not open or that did not come up in time."""
    peer = Peer(then=status)
    peer.run(identify(target()))
    assert peer.connections == 2


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([PAGE, b"220 x FTP\r\n", b"\x15\x03\x01\x00\x02"]), max_size=30)
)
def test_any_peer(answers: list[bytes]) -> None:
    """Whatever is answered, in the clear and inside TLS, the conversation ends, in a bounded number of steps."""
    supply = iter(answers)

    def anything(_: bytes) -> bytes | None:
        return next(supply, None)

    for port in (80, 443, 5432, 31337):
        Peer(anything, inside=Peer(anything)).run(identify(target(port)))
        Peer(anything, inside=Peer()).run(open_tls(target(port)))


def test_only_words_and_waits() -> None:
    """Every wait is bounded, and every answer."""
    peer = Peer()
    peer.run(identify(target()))
    sends = [step for step in peer.steps if isinstance(step, Send)]
    assert all(step.wait is not None and step.wait <= 2 and step.limit <= 4096 for step in sends)


ICON = b"\x00\x00\x01\x00icon"
SITE = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Path=/\r\nContent-Length: %d\r\n\r\n%s"
HTML = b'<title>Plant</title><link rel="shortcut icon" href="/static/i.ico">'


def icon(body: bytes = ICON, kind: bytes = b"image/x-icon", length: int | None = None) -> bytes:
    """Return an answer with an icon."""
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, size, body)


def test_the_icon_of_a_page() -> None:
    """It is fetched once from where the page names it, over a connection of its own; its bytes are no evidence."""
    peer = Peer({b"GET / ": SITE % (len(HTML), HTML), b"GET /static/i.ico ": icon()})
    found = peer.run(identify(target(80)))
    extras = found.fingerprint.extras
    assert (extras["title"], extras["cookies"], extras["status"]) == ("Plant", "sid", "200")
    assert extras["favicon_md5"] == "061eeec6466b17ff0464451182ed0fa9"
    assert ICON not in found.raw
    assert [sent.split(b" ")[1] for sent in peer.sent] == [b"/", b"/static/i.ico"]


@pytest.mark.parametrize("answer", [icon(kind=b"text/html"), icon(length=99_999), b"HTTP/1.1 404 No\r\n\r\n", b""])
def test_what_is_no_icon_has_no_digest(answer: bytes) -> None:
    """A page in its place, one that is too large, none."""
    peer = Peer({b"GET / ": SITE % (len(HTML), HTML), b"GET /static/i.ico ": answer})
    assert "favicon_md5" not in peer.run(identify(target(80))).fingerprint.extras


@pytest.mark.parametrize("href", [b"//other.example/i.ico", b"https://other.example/i.ico", b"/a b", b"/\r\nX: y"])
def test_icons_elsewhere_are_not_fetched(href: bytes) -> None:
    """Only a path of the same server is asked for; else the usual one."""
    html = b"<title>x</title><link rel=icon href='%s'>" % href
    peer = Peer({b"GET / ": SITE % (len(html), html)})
    peer.run(identify(target(80)))
    assert peer.sent[1].startswith((b"GET /favicon.ico ", b"GET /a "))


@pytest.mark.parametrize(
    ("data", "digest"),
    [(b"", 0), (b"a", 1009084850), (b"hello", 613153351), (b"The quick brown fox jumps over the lazy dog", 776992547)],
)
def test_murmur3(data: bytes, digest: int) -> None:
    """The values that its own implementation gives."""
    assert murmur3(data) == digest


def test_http2_is_recognised() -> None:
    """A server that starts with the settings of HTTP/2, in the clear or inside TLS."""
    settings = bytes.fromhex("000012040000000000000300000064000400100000000600004000")
    assert Peer(greeting=settings).run(identify(target())).service == "http"
    found = Peer({b"GET / ": None}, inside=Peer(greeting=settings)).run(identify(target(443)))
    assert (found.service, found.fingerprint.info) == ("https", "HTTP/2")


def test_a_server_that_hangs_up_on_listeners_is_spoken_to_before() -> None:
    """Monit does so after half a second, on any port. Break: a longer `_GREETING`."""
    peer = Peer()
    peer.run(identify(target()))
    listened = next(step for step in peer.steps if isinstance(step, Send))
    assert not listened.data
    assert 0 < (listened.wait or 0) <= 0.4
