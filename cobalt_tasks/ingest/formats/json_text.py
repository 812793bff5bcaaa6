"""Finds the JSON objects in text: one a line, over several lines, in arrays, joined without a newline, behind a log prefix."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

BLANK: Final = b" \t\r\n\v\f"

Record = dict[str, Any]

SEPARATORS: Final = BLANK + b",[]"
"""What stands between the objects of an array."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `decode` raises for text that is no JSON object."""

decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

_starts_with_key: Final = re.compile(rb'\n[ \t]*"').search
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}]')
_ANSWER: Final = re.compile(
    rb'\s*\{(?:[^\[\]]{0,4096},)?\s*"hits"\s*:\s*\{(?:[^\[\]]{0,1024},)?\s*"hits"\s*:\s*\[(?=\s*\{)'
).match
"""The start of an answer of Elasticsearch or OpenSearch (`_search`), up to its documents: they are records, as those of an array are."""

_is_hits: Final = re.compile(rb'\s*"hits"\s*:\s*\{').match
_is_list_of_hits: Final = re.compile(rb'\s*"hits"\s*:\s*\[\s*$').match

_ENDS: Final = SEPARATORS + b"}"
"""What can stand behind the documents of an answer."""

_LARGE: Final = 64 * 1024
"""Bytes without a newline from which they are taken for an array on one line."""


def explain(error: Exception) -> str:
    """Return in a few words what is wrong with a JSON line."""
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "nested too deep" if isinstance(error, RecursionError) else f"no JSON: {error}"


def part(record: Any, *names: str) -> Any:
    """Return the value below `names`, some levels down in `record`; None where a level is missing or is no object."""
    for name in names:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


def whole(data: bytes) -> int:
    """Return how many bytes from the start are whole records."""
    end = data.rfind(b"\n") + 1
    if not end:
        return _whole_elements(data) if len(data) > _LARGE else 0
    last = data[data.rfind(b"\n", 0, end - 1) + 1 : end].rstrip(SEPARATORS)
    if last.startswith(b"{") and last.endswith(b"}"):
        return end
    is_open = last.lstrip(SEPARATORS).startswith(b"{") and not last.endswith(b"}")
    return _whole_objects(data, end) if is_open or is_spread(data) else end


def is_spread(data: bytes) -> bool:
    """Return whether objects stand over several lines: some of the lines start with a key."""
    return _starts_with_key(data) is not None


def lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, text) for each line; the lines of an object that stands over several are one text without newlines."""
    if is_spread(data):
        yield from _joined(data)
        return
    at = 0
    for line in data.split(b"\n"):
        yield at, line
        at += len(line) + 1


def apart(line: bytes) -> list[tuple[int, bytes]]:
    """Return (offset, text) of the outermost objects on a line; the last may be cut. What stands between them is left out."""
    found = []
    depth = start = 0
    answer = _ANSWER(line)
    for token in _TOKENS.finditer(line, answer.end() if answer else max(line.find(b"{"), 0)):
        if token[0] == b"{":
            if not depth:
                start = token.start()
            depth += 1
        elif token[0] == b"}" and depth:
            depth -= 1
            if not depth:
                found.append((start, line[start : token.end()]))
    if depth:
        found.append((start, line[start:]))
    return found


def is_answer(line: bytes) -> bool:
    """Return whether a line is an answer of Elasticsearch, with documents."""
    return _ANSWER(line) is not None


def is_between(line: bytes) -> bool:
    """Return whether a line is only what stands between the objects of an array, or behind them."""
    return not line.strip(_ENDS)


def _depth(line: bytes) -> int:
    """Return how many more objects a line opens than it closes."""
    return sum(1 if token[0] == b"{" else -1 for token in _TOKENS.finditer(line) if token[0] in b"{}")


def _opens_documents(depth: int, outer: bytes, line: bytes) -> bool:
    """Return whether the documents of an answer start behind a line: `hits` within `hits`.

    depth: of the objects that are open; outer: the line that opened the inner one; line: the line.
    """
    return depth == 2 and _is_list_of_hits(line) is not None and _is_hits(outer) is not None  # noqa: PLR2004  # `hits`, in the answer


def _joined(data: bytes) -> Iterator[tuple[int, bytes]]:
    held: list[bytes] = []
    at = start = depth = 0
    outer = b""
    for line in data.split(b"\n"):
        if held and line.startswith(b"{"):
            # The object before it was cut: inner ones are indented.
            yield start, b" ".join(held)
            held, depth = [], 0
        if held or line.lstrip(SEPARATORS).startswith(b"{"):
            start = start if held else at
            if _opens_documents(depth, outer, line):
                # The documents of an answer stand for themselves.
                held, depth = [], 0
                at += len(line) + 1
                continue
            outer = line if depth == 1 else outer
            held.append(line)
            depth += _depth(line)
            if depth <= 0:
                yield start, b" ".join(held)
                held, depth = [], 0
        else:
            yield at, line
        at += len(line) + 1
    if held:
        yield start, b" ".join(held)


def _whole_objects(data: bytes, end: int) -> int:
    """Return where the last object that is whole ends with its line; 0 when none is."""
    at = found = depth = 0
    outer = b""
    for line in data[:end].split(b"\n")[:-1]:
        is_start = _opens_documents(depth, outer, line)
        outer = line if depth == 1 else outer
        depth = 0 if is_start else _depth(line) + (0 if line.startswith(b"{") else depth)
        at += len(line) + 1
        if depth <= 0:
            found, depth = at, 0
    return found


def _whole_elements(data: bytes) -> int:
    """Return where the last whole element of an array on one line ends; 0 when it is no array."""
    if not data.lstrip(SEPARATORS).startswith(b"{") or b"}" not in data:
        return 0
    pieces = apart(data)
    if len(pieces) > 1:
        start, text = pieces[-2]
        return start + len(text)
    return 0
