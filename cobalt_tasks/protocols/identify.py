"""The conversation that finds out what a port speaks: listen first, then the words of one protocol after the other.

A TCP server that speaks first is recognised by its greeting. To a silent one the words of the protocols are sent that live on
the port, then those that are likely anywhere, each over a connection of its own but the first. TLS is one of them; what speaks
inside is found in the same way. The first answer that is recognised ends it.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from cobalt_tasks.protocols import matching, registry
from cobalt_tasks.protocols.base import (
    LIMIT,
    Connect,
    ConnectionStatus,
    Protocol,
    Send,
    StartTls,
    StepResult,
    Steps,
    T,
    Target,
)
from cobalt_tasks.protocols.fingerprint import Fingerprint
from cobalt_tasks.protocols.greetings import greeting_is_complete

_GREETING: Final = 0.4
"""Seconds to wait for a greeting: Monit hangs up on those that listen for half a second."""

_GREETING_UNEXPECTED: Final = 0.1
"""The same where the client is known to speak first; a server that greets all the same is still recognised."""

_GREETING_OWN: Final = 1.5
"""The same on the port of a protocol that greets: a busy server looks names up first."""

_ANSWER: Final = 0.7
_ANSWER_OWN: Final = 1.5
"""A server on its own port answers, but may have to think first."""

_ANSWER_UNLIKELY: Final = 0.5
"""A server that is not on its own port is found if it is quick; a port that stays silent costs this for each protocol."""

_MORE: Final = 0.7
"""The wait for answers of a server that has already answered."""

_TLS: Final = "tls"
ALPN_REFUSED: Final = "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
"""How a server refuses a client that offers no protocol inside TLS: most often it speaks HTTP/2 alone."""

HTTP2_ALPN: Final = ("h2",)
WEB_ALPN: Final = (*HTTP2_ALPN, "http/1.1")

_ECHO: Final = "echo"
"""A server that sends back what it receives (RFC 862), which must not be taken for a speaker of what it was sent."""

_HTTP: Final = "http"
_HTTP2: Final = "http2"
_GENERIC: Final = frozenset({_HTTP, _TLS})
_ENOUGH_SILENCE: Final = 2
"""Protocols whose words were met with silence, HTTP among them, after which those that reject HTTP are not tried."""

_HUNG_UP: Final = frozenset({ConnectionStatus.CLOSED, ConnectionStatus.RESET})
_HOPELESS: Final = frozenset({ConnectionStatus.EXHAUSTED, ConnectionStatus.TIMEOUT, ConnectionStatus.UNREACHABLE})


class Result(Struct, frozen=True, kw_only=True):
    """What was found out about a port.

    raw: the bytes it answered, the evidence; empty if only the TLS handshake was answered.
    tls, certificate: version and cipher suite, and DER, of the handshake in which it spoke; None in the clear.
    alpn, chain: the protocol inside TLS that the server chose, and the certificates that came with its own.
    status: how the last connection ended; is_answered: whether anything came at all.
    tried: what was sent and what came of it, for people.
    """

    fingerprint: Fingerprint = Fingerprint()
    raw: bytes = b""
    tls: str | None = None
    certificate: bytes | None = None
    alpn: str | None = None
    chain: tuple[bytes, ...] = ()
    status: ConnectionStatus = ConnectionStatus.OPEN
    is_answered: bool = False
    tried: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether nothing came back to what was sent, or from a port that may be sent nothing: a final answer of its own.

        What became of the connection after words were sent does not matter.
        """
        is_heard_out = len(self.tried) > 1 or self.status is ConnectionStatus.OPEN
        return not self.is_answered and is_heard_out and self.status is not ConnectionStatus.EXHAUSTED

    @property
    def has_certificate(self) -> bool:
        """Whether the port speaks TLS, or can be asked for."""
        fingerprint = self.fingerprint
        return bool(self.tls or fingerprint.service == _TLS or fingerprint.offers_tls)

    @property
    def service(self) -> str | None:
        """What speaks on the port; inside TLS by its name there."""
        protocol = registry.BY_NAME.get(self.fingerprint.service or "")
        if not self.tls:
            return self.fingerprint.service
        return (protocol and protocol.name_in_tls) or self.fingerprint.service or "tls"


def identify(target: Target) -> Steps[Result]:
    """Return the conversation that finds out what a port speaks."""
    return _Search(target).run()


def _is_tls(known: Fingerprint) -> bool:
    """Return whether an answer in the clear came from a port that speaks TLS."""
    return known.wants_tls or known.service == _TLS


class _Search:
    """One run of `identify`. `_best` is the answer that is returned if no other is recognised."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tried: list[str] = []
        self._best: Result | None = None
        self._handshake = StepResult()
        """The reply to the TLS handshake of the present connection."""
        self._alpn = self._offered = tuple[str, ...]()
        self._silent: set[str] = set()
        """Names of protocols whose words were met with silence on a connection that stayed open."""

    def run(self) -> Steps[Result]:
        status = (yield Connect()).status
        if status is ConnectionStatus.OPEN:
            status = yield from self._converse()
        best = self._best or Result(status=status)
        return replace(best, tried=tuple(self._tried))

    def _converse(self) -> Steps[ConnectionStatus]:
        """Listen and speak over the open connection, inside TLS if that was started; return how it ended."""
        target = self._target
        if target.transport == "udp":
            return (yield from self._ask_over_udp())
        words = registry.words_at(target.port, in_tls=self._in_tls, industrial=target.industrial)
        heard = yield Send(wait=self._greeting_wait(), is_complete=greeting_is_complete)
        self._tried.append("listened")
        known = yield from self._understand(heard, None)
        if known and _is_tls(known) and not self._in_tls:
            return (yield from self._speak([registry.BY_NAME[_TLS]], is_used=True))
        if self._in_tls and not heard.data and heard.status in _HUNG_UP:
            return (yield from self._speak([registry.BY_NAME[_HTTP2]], is_used=True))
        if heard.data or heard.status is not ConnectionStatus.OPEN:
            return heard.status
        return (yield from self._speak(words))

    def _ask_over_udp(self) -> Steps[ConnectionStatus]:
        target = self._target
        words = registry.udp_words_at(target.port, industrial=target.industrial)
        # A datagram may be lost: what lives on the port is asked once more.
        own = [each for each in words if target.port in each.udp_ports]
        status = yield from self._speak([*words, *own], is_used=True)
        if status is not ConnectionStatus.REFUSED:
            self._tried.append("asked over UDP")
        return status

    def _greeting_wait(self) -> float:
        port = self._target.port
        own = registry.at_port(port, in_tls=self._in_tls)
        if any(each.greets for each in own):
            return _GREETING if any(each.words for each in own) else _GREETING_OWN
        is_client_first = bool(own) or (port in registry.TLS_PORTS and not self._in_tls)
        return _GREETING_UNEXPECTED if is_client_first else _GREETING

    def _speak(self, words: Sequence[Protocol], *, is_used: bool = False) -> Steps[ConnectionStatus]:
        """Try one protocol after the other; return how the last connection ended.

        words: the protocols in their order. is_used: even the first gets a connection of its own.
        """
        pending = list(words)
        status = ConnectionStatus.OPEN
        while pending:
            protocol = pending.pop(0)
            if is_used and (status := (yield from self._reconnect(protocol))) in _HOPELESS:
                self._tried.append(f"{protocol.name}: {status}")
                break
            if protocol.name == _TLS:
                status = yield from self._start_tls(self._wait(protocol))
                if self._in_tls or status is ConnectionStatus.EXHAUSTED:
                    break
                is_silent = status is ConnectionStatus.TIMEOUT
            else:
                said = self._words(protocol)
                reply = yield said
                status = reply.status
                is_silent = status is ConnectionStatus.OPEN and not reply.data
                if reply.data and reply.data == said.data:
                    self._keep(Fingerprint(_ECHO), reply.data)
                    break
                known = yield from self._understand(reply, protocol)
                if known and _is_tls(known) and not self._in_tls:
                    pending = [each for each in pending if each.name == _TLS]
                elif known:
                    break
            self._tried.append(f"{protocol.name}: {status if status is not ConnectionStatus.OPEN else 'silent'}")
            if status is ConnectionStatus.REFUSED:
                break
            if is_silent:
                pending = self._after_silence(protocol, pending)
            is_used = not (is_silent and protocol.name == _HTTP and pending and pending[0].follows_http)
        return status

    def _after_silence(self, protocol: Protocol, pending: Sequence[Protocol]) -> list[Protocol]:
        """Return the protocols that are still worth trying, in their order.

        protocol: whose words were met with silence on a connection that stayed open; pending: those not tried yet.
        """
        if not protocol.follows_http:
            self._silent.add(protocol.name)
        if _HTTP in self._silent and len(self._silent) >= _ENOUGH_SILENCE:
            pending = [each for each in pending if not each.rejects_http or self._is_own(each)]
        is_http = protocol.name == _HTTP
        return sorted(pending, key=lambda each: is_http and not each.follows_http)

    def _words(self, protocol: Protocol) -> Send:
        words = protocol.udp_words if self._target.transport == "udp" else protocol.words
        data = words(self._target) if words else b""
        return Send(data, wait=self._wait(protocol), is_complete=protocol.is_complete)

    def _start_tls(self, wait: float) -> Steps[ConnectionStatus]:
        """Do the handshake, and find out what speaks inside."""
        self._handshake = yield StartTls(self._target.name, wait=wait)
        if self._handshake.reason == ALPN_REFUSED and (yield Connect()).status is ConnectionStatus.OPEN:
            self._alpn = self._offered = WEB_ALPN
            self._handshake = yield StartTls(self._target.name, wait=wait, alpn=self._alpn)
        if not self._in_tls:
            return self._handshake.status
        self._keep(Fingerprint(), b"")
        self._silent.clear()
        return (yield from self._converse())

    def _reconnect(self, protocol: Protocol | None = None) -> Steps[ConnectionStatus]:
        if protocol:
            # Some servers speak HTTP/2 only with those that ask for it inside TLS (RFC 9113 3.2).
            self._offered = HTTP2_ALPN if protocol.name == _HTTP2 else self._alpn
        reply = yield Connect(any_port=protocol is not None and protocol.answers_elsewhere)
        if self._in_tls and reply.status is ConnectionStatus.OPEN:
            reply = yield StartTls(self._target.name, alpn=self._offered)
        return reply.status

    def _understand(self, reply: StepResult, spoken: Protocol | None) -> Steps[Fingerprint | None]:
        """Keep an answer if it is better than the one before; return what it shows, None if it is not recognised."""
        if not reply.data:
            return None
        protocol, known = matching(reply.data, expected=spoken, is_reply=spoken is not None)
        raw = bytearray(reply.data)
        if protocol is None or known is None:
            known = None if spoken else (yield from self._confirm(raw))
            self._keep(known or Fingerprint(), bytes(raw[:LIMIT]))
            return known
        is_foreign = spoken is not None and spoken is not protocol and protocol.name != _TLS
        # What a web server answers to other words is an error page, whatever version it names.
        if is_foreign and protocol.words and (protocol.name == _HTTP or not known.version):
            known = (yield from self._ask_again(protocol, raw)) or known
        if protocol.ask_more and not known.wants_tls:
            conversation = protocol.ask_more(self._target, bytes(raw), known)
            known = (yield from self._collect(conversation, raw)) or known
        kept = bytes(raw[:LIMIT])
        self._keep(known, protocol.evidence(kept) if protocol.evidence else kept)
        return known

    def _confirm(self, raw: bytearray) -> Steps[Fingerprint | None]:
        """Ask the protocols whose servers may greet in words of their own; return what the first shows that is confirmed."""
        greeting = bytes(raw)
        for protocol in registry.PROTOCOLS:
            if protocol.confirm and (
                known := (yield from self._collect(protocol.confirm(self._target, greeting), raw))
            ):
                return known
        return None

    def _ask_again(self, protocol: Protocol, raw: bytearray) -> Steps[Fingerprint | None]:
        """Send the words of a protocol that was recognised by its answer to the words of another."""
        if (yield from self._reconnect()) is not ConnectionStatus.OPEN:
            return None
        reply = yield self._words(protocol)
        found, known = matching(reply.data, expected=protocol, is_reply=True) if reply.data else (None, None)
        if found is protocol:
            raw[:] = reply.data
            return known
        return None

    def _collect(self, conversation: Steps[T], raw: bytearray) -> Steps[T]:
        """Yield the steps of a protocol's own conversation, and add what is answered to `raw`."""
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Connect):
                    reply = StepResult(status=(yield from self._reconnect()), tls=self._handshake.tls)
                else:
                    reply = yield replace(step, wait=_MORE) if isinstance(step, Send) and step.wait is None else step
                if not isinstance(step, Send) or step.is_evidence:
                    raw += reply.data[: max(0, LIMIT - len(raw))]
                step = conversation.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    def _keep(self, known: Fingerprint, raw: bytes) -> None:
        # Inside TLS the answer of a port that wanted TLS, and the handshake alone, are replaced by what speaks there.
        best = self._best
        if best is None or not best.raw or known.service or (self._in_tls and not best.tls):
            shown = self._handshake
            self._best = Result(
                fingerprint=known,
                raw=raw,
                is_answered=True,
                tls=shown.tls,
                certificate=shown.certificate,
                alpn=shown.alpn,
                chain=shown.chain,
            )

    def _wait(self, protocol: Protocol) -> float:
        """Return the seconds to wait for an answer to a protocol's words."""
        if self._is_own(protocol):
            return _ANSWER_OWN
        return _ANSWER if protocol.name in _GENERIC else _ANSWER_UNLIKELY

    def _is_own(self, protocol: Protocol) -> bool:
        """Return whether a protocol usually lives on this port."""
        port = self._target.port
        if protocol.name == _TLS:
            return port in registry.TLS_PORTS
        if self._target.transport == "udp":
            return port in protocol.udp_ports
        return port in (protocol.tls_ports if self._in_tls else protocol.ports)

    @property
    def _in_tls(self) -> bool:
        return self._handshake.tls is not None
