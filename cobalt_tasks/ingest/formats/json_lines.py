"""Formats of one JSON object a line."""

from abc import abstractmethod
from typing import Any, Final

import msgspec

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import KnownLineFormat

_decode = msgspec.json.Decoder(dict[str, Any]).decode
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def explain(error: Exception) -> str:
    """Say in a few words what is wrong with a JSON line."""
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "nested too deep" if isinstance(error, RecursionError) else f"no JSON: {error}"


def part(record: Any, *names: str) -> Any:
    """Return a value some levels down, or None where a level is missing or is no object."""
    for name in names:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


class JsonFormat(KnownLineFormat):
    """A format whose records are JSON objects, known by their keys."""

    @classmethod
    @abstractmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Return whether a record is surely of this format."""

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise by the keys of a line that is whole."""
        try:
            return cls.owns(_decode(line))
        except UNREADABLE:
            return False

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one object."""
        try:
            record = _decode(line)
        except UNREADABLE as error:
            raise RefusedError(explain(error)) from None
        self.record(record, batch)

    @abstractmethod
    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Take what one object says.

        Raises:
            RefusedError: it is none of this format; nothing of it was counted.

        """
