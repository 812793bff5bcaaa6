"""Which versions of TLS and which cipher suites a port accepts: one handshake for each, none of them carried further."""

from typing import Final

from msgspec import Struct

from cobalt_tasks.protocols import registry
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, StartTls, StepResult, Steps, T, Target
from cobalt_tasks.protocols.secure import open_tls

OLDER: Final = ("TLSv1.2", "TLSv1.1", "TLSv1")
_MOST_CIPHERS: Final = 12
"""Cipher suites that are found out for one version: a job has seconds, and servers count handshakes."""


class Accepted(Struct, frozen=True):
    """What a port accepts. versions: newest first; ciphers: by version, those of TLS 1.3 are the one it prefers."""

    versions: tuple[str, ...] = ()
    ciphers: dict[str, tuple[str, ...]] = {}


NOTHING_TRIED: Final = Accepted()


def scan(target: Target, first: StepResult) -> Steps[Accepted]:
    """Return the conversation that finds out what a port accepts besides what `first`, its usual handshake, showed.

    target: the port.
    """
    version, _, cipher = (first.tls or "").partition(" ")
    ciphers: dict[str, tuple[str, ...]] = {version: (cipher,)} if version and cipher else {}
    for highest in OLDER:
        known = ciphers.get(highest, ())
        while len(known) < _MOST_CIPHERS:
            reply = yield from _handshake(target, highest, known)
            found, _, cipher = (reply.tls or "").partition(" ")
            if found != highest or not cipher or cipher in known:
                break
            known = (*known, cipher)
        if known:
            ciphers[highest] = known
    return Accepted(tuple(ciphers), ciphers)


def _handshake(target: Target, highest: str, without: tuple[str, ...]) -> Steps[StepResult]:
    """Do a handshake in which less is offered; on ports of protocols with STARTTLS after asking for it.

    target: the port; highest: the highest version; without: cipher suites that are left out.
    """
    if any(each.starttls for each in registry.at_port(target.port)):
        return (yield from _restricted(open_tls(target), highest, without))
    opened = yield Connect()
    if opened.status is not ConnectionStatus.OPEN:
        return opened
    return (yield StartTls(target.name, highest=highest, without=without))


def _restricted(steps: Steps[T], highest: str, without: tuple[str, ...]) -> Steps[T]:
    """Yield the steps of a conversation, with less offered in each handshake.

    steps: the conversation; highest, without: as for `_handshake`.
    """
    try:
        step = next(steps)
        while True:
            if isinstance(step, StartTls):
                step = StartTls(step.name, wait=step.wait, highest=highest, without=without)
            step = steps.send((yield step))
    except StopIteration as end:
        result: T = end.value
        return result
