"""What a protocol is, and the steps of a conversation. No sockets and no clock: workers/net.py takes the steps.

A conversation is a generator. It yields a step, and receives what came of it as a StepResult; its return value is its result.
Tests and the fuzzer drive the same generators with bytes alone.
"""

from collections.abc import Callable, Generator, Mapping
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct

from cobalt_tasks.protocols.fingerprint import Fingerprint, Recogniser

LIMIT = 4096
"""Bytes of an answer that are kept."""

T = TypeVar("T")


class ConnectionStatus(StrEnum):
    """How a connection stands, or how it ended."""

    OPEN = "open"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    CLOSED = "closed"
    NO_TLS = "no tls"
    """The TLS handshake failed."""
    EXHAUSTED = "exhausted"
    """This machine had no socket, port or memory left: that is no answer of the target."""


class Target(Struct, frozen=True):
    """The port a conversation is with.

    transport: `tcp` or `udp`.
    names: host names known for the address, the best first; the first is used for SNI and the Host header.
    user_agent: how the probe introduces itself where a protocol has a field for it.
    greeting_name: the host name the probe introduces itself with where a protocol asks for one (EHLO).
    community: the SNMP community to ask with; None asks without one.
    industrial: the user lets probes speak to industrial controllers.
    scan_tls: the user lets probes try which versions and cipher suites of TLS are accepted.
    """

    address: str
    port: int
    transport: str = "tcp"
    names: tuple[str, ...] = ()
    user_agent: str = "Cobalt"
    greeting_name: str = "cobalt.invalid"
    community: str | None = None
    industrial: bool = False
    scan_tls: bool = False

    @property
    def name(self) -> str | None:
        """The host name to ask for; None if none is known."""
        return self.names[0] if self.names else None


class Connect(Struct, frozen=True):
    """Open a fresh connection; the one before it is closed. The reply has its status.

    any_port: over UDP, answers from every port of the host are received.
    """

    any_port: bool = False


class Send(Struct, frozen=True):
    """Send `data`, then receive; without data only receive.

    wait: seconds for the first byte of the answer, on top of two round trips; None leaves it to the caller.
    is_complete: returns True once an answer is all there; without it the answer ends when the peer pauses.
    limit: bytes of the answer that are returned at most.
    is_evidence: the answer is kept with what the server answered before; else it only serves the conversation.
    """

    data: bytes = b""
    wait: float | None = None
    is_complete: Callable[[bytes], bool] | None = None
    limit: int = LIMIT
    is_evidence: bool = True


class StartTls(Struct, frozen=True):
    """Do the TLS handshake on the open connection.

    name: the host name for SNI; None sends none.
    wait: seconds on top of four round trips.
    alpn: protocols that are offered (RFC 7301), the wanted ones first; without any, the extension is not sent.
    highest: the highest version that is offered, such as `TLSv1.1`; None for all.
    without: cipher suites that are not offered, by OpenSSL's names; those of TLS 1.3 cannot be left out.
    """

    name: str | None = None
    wait: float = 2.0
    alpn: tuple[str, ...] = ()
    highest: str | None = None
    without: tuple[str, ...] = ()


Step = Connect | Send | StartTls


class StepResult(Struct, frozen=True):
    """What came of a step.

    data: the bytes received; status: how the connection stands after it.
    tls: TLS version and cipher suite once there is TLS; certificate: the peer's, DER, not verified. Both may come from a
        handshake that failed after it, where the server asked for a certificate of ours: status shows it.
    alpn: the protocol that the server chose of those offered. chain: the other certificates it showed, DER.
    reason: what the TLS library reported when a handshake failed.
    """

    data: bytes = b""
    status: ConnectionStatus = ConnectionStatus.OPEN
    tls: str | None = None
    certificate: bytes | None = None
    alpn: str | None = None
    chain: tuple[bytes, ...] = ()
    reason: str | None = None


Steps = Generator[Step, StepResult, T]
"""A conversation whose result is a T."""


class Protocol(Struct, frozen=True, kw_only=True):
    """One protocol: where it lives, what to send, and how to recognise it.

    name: what its service is called; name_in_tls: the same inside TLS, if that has a name of its own.
    recognise: returns what an answer shows, None if it is not this protocol's. It must take linear time on any bytes.
    recognise_reply: the same for answers to `words` that are too short to mean anything without the question.
    ports, tls_ports, udp_ports: where it usually lives: in the clear, inside TLS from the first byte, over UDP.
    greets: the server speaks first.
    words: what a client sends first over TCP; None if only the greeting counts.
    udp_words: one small datagram that is answered; None if it is not asked over UDP.
    is_complete: returns True once an answer to `words` is all there.
    ask_more: a conversation on the same connection once the protocol is recognised, with the answer so far and what it
        showed; returns a better fingerprint, or None to keep that one. Its answers are added to the evidence.
    confirm: a conversation after a greeting that no protocol recognises, on the same connection; returns what it shows if
        the server speaks this protocol, None without a step if the greeting cannot be this protocol's.
    evidence: returns the part of the answers that is kept: without what is random, which differs each time.
    starttls: a conversation that asks for TLS, after the greeting if there is one; returns True if TLS may start.
    likelihood: place among the words that are tried on any port, smallest first; None tries it on its own ports only.
    udp_likelihood: the same for UDP.
    rejects_http: its servers answer an HTTP request or hang up; on a port that was silent to one they are not sought.
    follows_http: its words can follow an HTTP request that was met with silence, on the same connection.
    answers_elsewhere: over UDP, its server answers from another port than it was asked on.
    exclusive: on its ports no other protocol's words are sent: a printer prints them, a controller may act on them.
    aliases: what scanners call it. parts: recognisers of services that scanners report for a part of an answer.
    industrial: only asked if the user has switched that on.
    """

    name: str
    recognise: Recogniser
    recognise_reply: Recogniser | None = None
    name_in_tls: str | None = None
    ports: tuple[int, ...] = ()
    tls_ports: tuple[int, ...] = ()
    udp_ports: tuple[int, ...] = ()
    greets: bool = False
    words: Callable[[Target], bytes] | None = None
    udp_words: Callable[[Target], bytes] | None = None
    is_complete: Callable[[bytes], bool] | None = None
    ask_more: Callable[[Target, bytes, Fingerprint], Steps[Fingerprint | None]] | None = None
    confirm: Callable[[Target, bytes], Steps[Fingerprint | None]] | None = None
    evidence: Callable[[bytes], bytes] | None = None
    starttls: Callable[[Target], Steps[bool]] | None = None
    likelihood: int | None = None
    udp_likelihood: int | None = None
    rejects_http: bool = False
    follows_http: bool = False
    answers_elsewhere: bool = False
    exclusive: bool = False
    aliases: tuple[str, ...] = ()
    parts: Mapping[str, Recogniser] = {}
    industrial: bool = False


def answered(data: bytes, start: bytes, *, wait: float = 1.5) -> Steps[bool]:
    """Send `data`; return whether the answer starts with `start`, upper or lower case. wait: seconds for its first byte."""
    reply = yield Send(data, wait=wait)
    return reply.data[: len(start)].upper() == start.upper()
