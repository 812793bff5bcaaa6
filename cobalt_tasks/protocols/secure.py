"""The conversation that reaches TLS on a port, for its certificate: at once, or after asking for it in the clear.

Any port may speak TLS from the first byte, or offer it inside a protocol that starts in the clear. The port number only
decides what is tried first.
"""

from collections.abc import Iterator
from typing import Final

from cobalt_tasks.protocols import matching, registry
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Protocol, Send, StartTls, StepResult, Steps, Target
from cobalt_tasks.protocols.greetings import greeting_is_complete
from cobalt_tasks.protocols.identify import ALPN_REFUSED, WEB_ALPN

_GREETING: Final = 0.5
_GREETING_OWN: Final = 1.5
"""Seconds to wait for a greeting, the longer where one is expected: that of a busy server comes late."""

_NOT_OFFERED: Final = StepResult(status=ConnectionStatus.NO_TLS, reason="does not offer STARTTLS")


def open_tls(target: Target) -> Steps[StepResult]:
    """Return the conversation whose result is that of the TLS handshake, or of the step that failed before it."""
    opened = yield Connect()
    if opened.status is not ConnectionStatus.OPEN:
        return opened
    own = [each for each in registry.at_port(target.port) if each.starttls]
    if target.port in registry.TLS_PORTS and not own:
        return (yield from _start(target))
    is_greeted = not own or any(each.greets for each in own)
    wait = _GREETING_OWN if own and is_greeted else _GREETING
    greeting = (yield Send(wait=wait, is_complete=greeting_is_complete)) if is_greeted else StepResult()
    if greeting.data:
        protocol, _ = matching(greeting.data)
        return (yield from _ask(protocol or next(iter(own), None), target))
    if own and greeting.status is ConnectionStatus.OPEN:
        return (yield from _ask(own[0], target))
    return (yield from _try(target))


def _try(target: Target) -> Steps[StepResult]:
    """Start TLS at once; if the server answers that with something else, ask for it in protocols whose clients speak first."""
    first = yield from _start(target)
    if first.tls or first.status is ConnectionStatus.TIMEOUT:
        return first
    for protocol in _client_first():
        if (yield Connect()).status is not ConnectionStatus.OPEN:
            break
        handshake = yield from _ask(protocol, target)
        if handshake.tls:
            return handshake
    return first


def _start(target: Target) -> Steps[StepResult]:
    """Do the handshake, and offer the protocols of the web where no other may live; try the other way if that is refused."""
    own = registry.at_port(target.port, in_tls=True)
    alpn = WEB_ALPN if not own or registry.BY_NAME["http"] in own else ()
    first = yield StartTls(target.name, alpn=alpn)
    if first.reason != ALPN_REFUSED or (yield Connect()).status is not ConnectionStatus.OPEN:
        return first
    return (yield StartTls(target.name, alpn=() if alpn else WEB_ALPN))


def _ask(protocol: Protocol | None, target: Target) -> Steps[StepResult]:
    """Ask for TLS in a protocol whose greeting, if it has one, was received, and do the handshake."""
    if protocol is None or protocol.starttls is None or not (yield from protocol.starttls(target)):
        return _NOT_OFFERED
    return (yield StartTls(target.name))


def _client_first() -> Iterator[Protocol]:
    return (each for each in registry.PROTOCOLS if each.starttls and each.words and not each.greets)
