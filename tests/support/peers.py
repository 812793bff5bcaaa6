"""Peers made of bytes: they take the steps of a conversation without a network."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Send, StartTls, Step, StepResult, Steps

T = TypeVar("T")

Answer = bytes | None
"""What a server answers; None: it closes the connection."""


class Peer:
    """A server that answers by a table, and remembers the steps it was asked to take."""

    def __init__(
        self,
        answers: Mapping[bytes, Answer] | Callable[[bytes], Answer] | None = None,
        *,
        greeting: bytes = b"",
        inside: "Peer | None" = None,
        then: ConnectionStatus = ConnectionStatus.OPEN,
        without_tls: ConnectionStatus = ConnectionStatus.NO_TLS,
    ) -> None:
        """Make a server.

        answers: by the beginning of what was sent, or a function; silent where there is none.
        greeting: what it sends first; inside: who speaks inside TLS, None if it knows no TLS.
        then: what becomes of every connection but the first.
        without_tls: how a handshake ends if it knows no TLS; TIMEOUT if it is silent to one.
        """
        self.answers = answers or {}
        self.greeting = greeting
        self.inside = inside
        self.then = then
        self.without_tls = without_tls
        self.steps: list[Step] = []
        self.connections = 0
        self._status = ConnectionStatus.CLOSED
        self._speaker: Peer = self
        self._is_fresh = False

    def run(self, steps: Steps[T], *, most: int = 500) -> T:
        """Drive a conversation to its end; it has at most `most` steps."""
        try:
            step = next(steps)
            for _ in range(most):
                self.steps.append(step)
                step = steps.send(self._take(step))
        except StopIteration as end:
            result: T = end.value
            return result
        raise AssertionError("a conversation without end")

    def _take(self, step: Step) -> StepResult:
        if isinstance(step, Connect):
            self.connections += 1
            self._status = self.then if self.connections > 1 else ConnectionStatus.OPEN
            self._speaker, self._is_fresh = self, True
            return StepResult(status=self._status)
        if self._status is not ConnectionStatus.OPEN:
            return StepResult(status=self._status)
        if isinstance(step, StartTls):
            if self._speaker.inside is None:
                self._status = self.without_tls
                return StepResult(status=self._status, reason="WRONG_VERSION_NUMBER")
            self._speaker, self._is_fresh = self._speaker.inside, True
            return StepResult(tls="TLSv1.3 TLS_AES_256_GCM_SHA384", certificate=b"DER")
        return self._answer(step)

    def _answer(self, step: Send) -> StepResult:
        data = self._speaker.greeting if self._is_fresh else b""
        self._is_fresh = False
        if step.data:
            answer = self._speaker.reply_to(step.data)
            if answer is None:
                self._status = ConnectionStatus.CLOSED
            data += answer or b""
        return StepResult(data=data[: step.limit], status=self._status)

    def reply_to(self, data: bytes) -> Answer:
        """Return the answer to some bytes."""
        if callable(self.answers):
            return self.answers(data)
        return next((answer for start, answer in self.answers.items() if data.startswith(start)), b"")

    @property
    def sent(self) -> list[bytes]:
        """What was sent to it, without the steps that only listen."""
        return [step.data for step in self.steps if isinstance(step, Send) and step.data]
