"""The conversation that finds out what a port speaks, with peers made of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Send, StepResult, Target
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
