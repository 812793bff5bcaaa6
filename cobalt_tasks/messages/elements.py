"""What a message in Redis must look like: an element of a queue's list, a question to workers, an event of theirs. Redis is
shared, and one message that is none ends a Celery worker, so every one is checked before Celery reads it.
"""

import binascii
from base64 import b64decode
from typing import Annotated, Any, Final, Literal

import msgspec
from kombu.utils.json import loads

from cobalt_tasks.core.catalog import KINDS, REPORT_COMMAND
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.timeouts import HARD_LIMIT_SECONDS, SOFT_LIMIT_SECONDS

LONGEST: Final = 1 << 20
"""Bytes; our own messages stay below 48 KiB."""


class _DeliveryInfo(msgspec.Struct):
    exchange: str
    routing_key: str


class _Properties(msgspec.Struct):
    delivery_tag: str
    delivery_info: _DeliveryInfo
    body_encoding: Literal["base64"]


class _Frame(msgspec.Struct, rename="kebab"):
    body: str
    content_type: Literal["application/json"]
    content_encoding: Literal["utf-8"]
    headers: dict[str, Any]
    properties: _Properties


_Hard = Annotated[int, msgspec.Meta(ge=HARD_LIMIT_SECONDS, le=HARD_LIMIT_SECONDS)]
_Soft = Annotated[int, msgspec.Meta(ge=SOFT_LIMIT_SECONDS, le=SOFT_LIMIT_SECONDS)]


class _TaskHeaders(msgspec.Struct):
    task: str
    id: str
    retries: int | None = 0
    # Never sent: a worker fetches any number of messages that start later.
    eta: None = None
    expires: None = None
    # Beat sends the limits that the worker has anyway; other ones, such as no time at all, kill pool processes.
    timelimit: tuple[_Hard | None, _Soft | None] | None = None


class _Embedded(msgspec.Struct):
    """What a message may ask to be run besides its task: nothing."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


_Id = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
# One list of ids, or nothing: a wake-up message names no job.
_Ids = Annotated[list[list[_Id]], msgspec.Meta(max_length=1)]
_Nothing = Annotated[dict[str, Any], msgspec.Meta(max_length=0)]
_JOBS: Final = msgspec.json.Decoder(tuple[_Ids, _Nothing, _Embedded])
_CALLS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    CONTROL_QUEUE: msgspec.json.Decoder(tuple[list[Any], dict[str, Any], _Embedded]),
    **{kind.name: _JOBS for kind in KINDS},
}
"""What the body of a message calls its task with, by queue."""


_QUESTIONS: Final[dict[str, frozenset[str]]] = {
    "active": frozenset({"safe"}),
    "active_queues": frozenset(),
    "clock": frozenset(),
    "conf": frozenset({"with_defaults"}),
    # Flower asks for it; workers send events anyway.
    "enable_events": frozenset(),
    "ping": frozenset(),
    "registered": frozenset({"taskinfoitems", "builtins"}),
    "reserved": frozenset(),
    "revoked": frozenset(),
    "scheduled": frozenset(),
    "stats": frozenset(),
    REPORT_COMMAND: frozenset(),
}
"""The commands of Celery's remote control that change nothing, with the names of their arguments: all others (shutdown,
pool_shrink, cancel_consumer, rate_limit, ...) are orders, and the channel does not show who sent one.
"""


class _ReplyTo(msgspec.Struct):
    exchange: Literal["reply.celery.pidbox"]
    routing_key: str


class _Question(msgspec.Struct):
    """What workers are asked. There is no pattern for their names: a regular expression can take for ever."""

    method: str
    arguments: dict[str, list[str] | bool | None] | None = None
    destination: list[str] | None = None
    pattern: None = None
    matcher: None = None
    reply_to: _ReplyTo | None = None
    ticket: str | None = None

    def __post_init__(self) -> None:
        allowed = _QUESTIONS.get(self.method)
        if allowed is None or not allowed.issuperset(self.arguments or {}):
            raise ValueError(f"workers do not answer to {self.method[:40]!r} with {sorted(self.arguments or {})!r:.40}")


_Clock = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class _Clocked(msgspec.Struct):
    clock: _Clock | None = None


class _Event(_Clocked, kw_only=True):
    type: str
    hostname: str
    timestamp: Annotated[float, msgspec.Meta(ge=0, le=1 << 37)]


_Plain = str | int | float | bool | None
_Fields = dict[str, _Plain | list[_Plain]]
_EVENTS: Final = "celeryev"
_PUBLISHED: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "celery.pidbox": msgspec.json.Decoder(_Question),
    _EVENTS: msgspec.json.Decoder(list[_Fields] | _Fields),
}
"""What the body of a published message holds, by exchange."""


def problem(element: bytes, queue: str) -> str | None:
    """Return why an element is no message, None if it is one.

    Args:
        element: as it came out of the list, or from the channel.
        queue: the queue or the exchange it came from; one that is not ours holds the answers of workers.

    """
    if len(element) > LONGEST:
        return f"{len(element)} bytes are too many"
    try:
        _check(loads(element.decode()), queue)
    except RecursionError:
        return "nested too deeply"
    except Exception as error:  # noqa: BLE001  # kombu's decoder raises whatever a forged type makes it raise
        return f"{type(error).__name__}: {error}"
    return None


def restorable(element: bytes) -> bool:
    """Return whether an entry of the hash of unacknowledged messages can go back to its queue."""
    try:
        message, exchange, routing_key = loads(element.decode())
        _check(message, None)
        msgspec.convert((exchange, routing_key), tuple[str, str])
    except Exception:  # noqa: BLE001  # as above
        return False
    return True


def _check(message: object, queue: str | None) -> None:
    frame = msgspec.convert(message, _Frame)
    try:
        body = b64decode(frame.body, validate=True)
    except binascii.Error as error:
        raise msgspec.ValidationError(f"the body is not base64: {error}") from None
    if decoder := _CALLS.get(queue or ""):
        msgspec.convert(frame.headers, _TaskHeaders)
        decoder.decode(body)
    elif decoder := _PUBLISHED.get(queue or ""):
        msgspec.convert(frame.headers, _Clocked)
        found = decoder.decode(body)
        if queue == _EVENTS:
            msgspec.convert(found if isinstance(found, list) else [found], list[_Event])
