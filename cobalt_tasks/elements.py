"""What an element of a queue's list must look like. Redis is shared, and one element that is no message ends a Celery
worker, so every element is checked before Celery reads it.
"""

import binascii
from base64 import b64decode
from typing import Annotated, Any, Final, Literal

import msgspec
from kombu.utils.json import loads

from cobalt_tasks.catalog import CONTROL_QUEUE, KINDS

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


class _Headers(msgspec.Struct):
    task: str
    id: str
    eta: str | None = None
    expires: str | None = None
    retries: int | None = 0
    timelimit: tuple[float | None, float | None] | None = None


class _Embedded(msgspec.Struct):
    """What a message may ask to be run besides its task: nothing."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


_Id = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
_Ids = Annotated[list[list[_Id]], msgspec.Meta(min_length=1, max_length=1)]
_Nothing = Annotated[dict[str, Any], msgspec.Meta(max_length=0)]
_JOBS: Final = msgspec.json.Decoder(tuple[_Ids, _Nothing, _Embedded])
_CALLS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    CONTROL_QUEUE: msgspec.json.Decoder(tuple[list[Any], dict[str, Any], _Embedded]),
    **{kind.name: _JOBS for kind in KINDS},
}
"""What the body of a message calls its task with, by queue."""


def problem(element: bytes, queue: str) -> str | None:
    """Return why an element is no message, None if it is one.

    Args:
        element: as it came out of the list.
        queue: the queue it came from; one that is not ours holds the answers of workers.

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
        msgspec.convert(frame.headers, _Headers)
        decoder.decode(body)
