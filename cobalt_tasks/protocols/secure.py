"""The conversation that reaches TLS on a port, for its certificate: at once, or after asking for it in the clear."""

from typing import Final

from cobalt_tasks.protocols import registry
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Protocol, Send, StartTls, StepResult, Steps, Target
from cobalt_tasks.protocols.identify import greeting_is_complete

_GREETING: Final = 1.5
"""Seconds to wait for the greeting of a port whose server speaks first; that of a busy one comes late."""


def open_tls(target: Target) -> Steps[StepResult]:
    """Return the conversation whose result is the reply to the TLS handshake, or to the step that failed before it."""
    reply = yield Connect()
    if reply.status is not ConnectionStatus.OPEN:
        return reply
    protocol = next((each for each in registry.at_port(target.port) if each.starttls), None)
    if protocol and not (yield from _ask(protocol)):
        return StepResult(status=ConnectionStatus.NO_TLS, reason="does not offer STARTTLS")
    return (yield StartTls(target.name))


def _ask(protocol: Protocol) -> Steps[bool]:
    if protocol.starttls is None:
        return False
    if protocol.greets:
        yield Send(wait=_GREETING, is_complete=greeting_is_complete)
    return (yield from protocol.starttls())
