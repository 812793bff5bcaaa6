"""The parsers of what ports and resolvers answer, and what is asked of them."""

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.core import checked_values
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.protocols import registry, web
from cobalt_tasks.protocols.base import Target
from cobalt_tasks.protocols.greetings import greeting_is_complete
from workers.net import Net
from workers.probes.domain import presentation


@pytest.mark.parametrize(
    ("raw", "complete"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", True),
        (b"SSH-2.0-dropbear\r\n\x00\x00\x01\xd4", True),
        (b"SSH-2.0-drop", False),
        (b"220 ready\r\n", True),
        (b"220-one\r\n", False),
        (b"220-one\r\n220-two\r\n", False),
        (b"220-one\r\n220 two\r\n", True),
        (b"220 rea", False),
        (b"* OK ready\n", True),
        (b"\x03\x00\x00\x00abc", True),
        (b"\x04\x00\x00\x00abc", False),
        (b"\x00\x00\x00\x00", False),
        (b"", False),
        (b"login: ", False),
    ],
)
def test_greetings_end(raw: bytes, complete: bool) -> None:
    """A greeting is over at the end of its last line, or of its MySQL packet."""
    assert greeting_is_complete(raw) is complete


@pytest.mark.parametrize(
    ("raw", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\ncontent-length:2\n\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", False),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\nContent-Length: 0\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", False),
        (b"", False),
    ],
)
def test_http_answers_end(raw: bytes, complete: bool) -> None:
    """An HTTP answer is over where its length says so."""
    assert web.is_complete(raw) is complete


@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 x\r\nContent-Length: "]))
def test_any_answer(rest: bytes, start: bytes) -> None:
    """No bytes make a parser fail."""
    assert greeting_is_complete(start + rest) in (True, False)
    assert web.is_complete(start + rest) in (True, False)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (Target("192.0.2.1", 8080), b"192.0.2.1:8080"),
        (Target("192.0.2.1", 80, names=("www.example.com",)), b"www.example.com"),
        (Target("2001:db8::1", 443), b"[2001:db8::1]"),
        (Target("2001:db8::1", 81), b"[2001:db8::1]:81"),
    ],
)
def test_requests_name_the_host(target: Target, host: bytes) -> None:
    """The Host header is the name or the address, with the port unless it is a default (RFC 9110 7.2)."""
    request = web.request(target)
    assert b"\r\nHost: " + host + b"\r\n" in request
    assert request.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("port", "first"),
    [(443, "tls"), (80, "http"), (6379, "redis"), (5432, "postgresql"), (3389, "rdp"), (12345, "http")],
)
def test_words(port: int, first: str) -> None:
    """What usually lives on a port is tried first; HTTP and TLS are tried on every port, each once."""
    words = [each.name for each in registry.words_at(port)]
    assert words[0] == first
    assert {"http", "tls"} <= set(words)
    assert len(set(words)) == len(words)


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4))
def test_names_in_presentation(labels: list[bytes]) -> None:
    r"""Any DNS name becomes printable ASCII of letters, digits, dots, - _ and \DDD, and reads back as the same name."""
    text = presentation(tuple(labels))
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.\\")
    assert dns.name.from_text(text + ".") == dns.name.Name([*labels, b""])


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_resolvers(text: str, server: tuple[str, int]) -> None:
    """A resolver is an address, with a port if need be."""
    assert checked_values.resolver(text) == server


@pytest.mark.parametrize(
    "text", ["", "dns.example.com", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x", ":53"]
)
def test_bad_resolvers(text: str) -> None:
    """Anything else is refused with the name of the setting."""
    with pytest.raises(ConfigurationError, match="COBALT_RESOLVERS"):
        Net(Scope(), 5.0, [text])


@given(st.text(max_size=60))
def test_any_resolver(text: str) -> None:
    """No text makes the reader of resolvers fail in any other way."""
    try:
        address, port = checked_values.resolver(text)
    except ConfigurationError:
        return
    assert address
    assert 0 < port < 65536
