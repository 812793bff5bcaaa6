"""Every format has an example: it is recognised and read, whatever it is wrapped in, wherever it is cut, and attacked."""

import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import BYTE_ORDER_MARK, FORMATS, recognise
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.formats.json_lines import JsonFormat, records
from tests.fuzz.fits import check
from tests.support.rows import connection_rows

NOW = 1_800_000_000.0
SEEDS = Path(__file__).parents[2] / "fuzz" / "seeds"
JSON = [each for each in FORMATS if issubclass(each, JsonFormat)]
TEXTS = [each for each in FORMATS if each.name != "masscan-binary"]
CUTS = 6
PREFIXED = re.compile(r"179[34]\d{6}\.\d+")
"""The time in the prefixes below, in any zone."""


def name_of(each: type[Format]) -> str:
    """Return the name of a format, as the id of a test."""
    return each.name


def seed(each: type[Format]) -> bytes:
    """Return the example of a format."""
    return (SEEDS / each.name).read_bytes()


def read(each: type[Format], data: bytes, *cuts: int) -> Batch:
    """Read an input in pieces, as a stream gives them; the state of the format travels as text."""
    batch = Batch(1, NOW, each.tool)
    buffer, position, state = b"", 0, None
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        buffer += data[start:end]
        parser = each()
        parser.port, parser.state = 80, state
        whole = parser.split(buffer)
        parser.parse(buffer[:whole], position, batch)
        buffer, position, state = buffer[whole:], position + whole, parser.state
    if buffer.strip():
        parser = each()
        parser.port, parser.state = 80, state
        parser.parse(buffer, position, batch)
    return batch


def rows(batch: Batch) -> tuple[Any, ...]:
    """Return what came of an input, comparable."""
    found = (connection_rows(batch), batch.discoveries, batch.hostnames, batch.certificates, batch.hardware_addresses)
    return (*(sorted(map(repr, each)) for each in found), len(batch.rejects), batch.ignored)


@pytest.mark.parametrize("each", FORMATS, ids=name_of)
def test_every_format_has_an_example(each: type[Format]) -> None:
    """The fuzz targets start from it: a format without one fails here."""
    assert recognise(seed(each)) is each
    batch = read(each, seed(each))
    assert batch.rejects == []
    assert batch.records > batch.ignored


@pytest.mark.parametrize("each", FORMATS, ids=name_of)
def test_where_an_input_is_cut_changes_nothing(each: type[Format]) -> None:
    """Pieces of a stream end anywhere: the same rows as from the whole."""
    data = seed(each)
    whole = rows(read(each, data))
    draw = random.Random(each.name)
    for _ in range(CUTS):
        cuts = sorted(draw.sample(range(1, len(data)), 2))
        assert rows(read(each, data, *cuts)) == whole, cuts


@pytest.mark.parametrize("each", TEXTS, ids=name_of)
def test_line_ends_and_marks_of_other_systems(each: type[Format]) -> None:
    """Windows line ends and a byte order mark: the same format and the same rows."""
    data = seed(each)
    windows = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert recognise(BYTE_ORDER_MARK + windows) is each
    found, whole = rows(read(each, windows)), rows(read(each, data))
    assert found == whole


def wrapped(objects: list[Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the ways in which people keep objects."""
    plain = [json.dumps(each) for each in objects]
    yield "array", json.dumps(objects).encode()
    yield "jq .", "\n".join(json.dumps(each, indent=2) for each in objects).encode() + b"\n"
    yield "jq -s .", json.dumps(objects, indent=2).encode()
    yield "joined", "".join(plain).encode()
    yield "docker compose logs", "".join(f"sensor-1  | {each}\n" for each in plain).encode()
    yield "docker logs -t", "".join(f"2026-11-07T06:14:13.752399123Z {each}\n" for each in plain).encode()
    yield "docker", "".join(json.dumps({"log": f"{each}\n", "stream": "stdout"}) + "\n" for each in plain).encode()
    yield "journal", "".join(f"Nov 07 06:14:13 host sensor[77]: {each}\n" for each in plain).encode()
    yield "syslog", "".join(f"<13>1 2026-11-07T06:14:13Z host sensor 77 - - {each}\n" for each in plain).encode()


@pytest.mark.parametrize("each", JSON, ids=name_of)
def test_objects_however_they_are_kept(each: type[Format]) -> None:
    """Arrays, several lines, joined, behind the prefixes of logs: the same format and the same rows.

    Only an object without a time of its own has that of its prefix.
    """
    objects = list(records(seed(each)))
    whole = rows(read(each, "".join(json.dumps(one) + "\n" for one in objects).encode()))
    for name, data in wrapped(objects):
        assert recognise(data) is each, name
        found = rows(read(each, data))
        assert [PREFIXED.sub(str(NOW), str(part)) for part in found] == [
            PREFIXED.sub(str(NOW), str(part)) for part in whole
        ], name


HOSTILE = (
    *(
        "NaN",
        "1e400",
        "-1",
        "1" * 5000,
        "null",
        "true",
        '""',
        '"\\ud800"',
        '"\\u0000"',
        "[]",
        "{}",
        "[[]]",
        '{"a":1}',
        "70000",
    ),
    *(
        '"x"',
        '"' + "9" * 40 + '"',
        '["x", null, 1]',
        "[" * 200 + "]" * 200,
        '"' + "A" * 70_000 + '"',
        "-0.5",
        '"-1"',
        '"1e400"',
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where each value of an object lies."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


def put(value: Any, path: tuple[Any, ...]) -> Any:
    """Return a value with a mark at a place."""
    key, *rest = path
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[key] = put(value[key], tuple(rest)) if rest else "\x01mark"
    return changed


@pytest.mark.parametrize("each", JSON, ids=name_of)
def test_odd_values_in_every_place(each: type[Format]) -> None:
    """Whatever stands where a value should be: the record is accepted, ignored or refused, and fits the tables."""
    draw = random.Random(each.name)
    tried = [(one, path) for one in records(seed(each)) for path in places(one)]
    for one, path in draw.sample(tried, min(len(tried), 40)):
        text = json.dumps(put(one, path))
        for odd in draw.sample(HOSTILE, 6):
            data = text.replace('"\\u0001mark"', odd).encode()
            batch = read(each, data + b"\n")
            assert batch.records >= 1 or each.name == "tshark-ek", data[:300]
            check(batch)


TOKENS = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"-1",
        b"99999999999999999999",
        b"NaN",
        b"::::",
        b"%",
        b"(((((",
        b'"""',
        b"<!DOCTYPE x>",
        b"\r",
        b"\n\n",
    ),
    *(
        b" " * 300,
        b"\t" * 40,
        b"1" * 400,
        b"[" * 300,
        b"&amp;&#0;",
        b"=" * 99,
        b"65536",
        b"0x",
        b"\xe2\x86\x92",
        b"-" * 300,
    ),
)


@pytest.mark.parametrize("each", FORMATS, ids=name_of)
def test_damage_anywhere(each: type[Format]) -> None:
    """Bytes put in or taken out at any place: nothing raises, and what is accepted fits the tables."""
    data, draw = seed(each), random.Random(each.name)
    for _ in range(40):
        at = draw.randrange(len(data))
        damaged = data[:at] + draw.choice(TOKENS) + data[at + draw.choice((0, 0, 1, 7, 60)) :]
        recognise(damaged)
        batch = read(each, damaged)
        check(batch)
        assert all(0 <= row[1] <= len(damaged) for row in batch.rejects)


LONG = 24 * 1024
"""Bytes of a long line: twice as many may take twice as long, and not four times."""


def stretched(line: bytes, at: int, token: bytes, size: int) -> bytes:
    """Return a line with a token repeated at a place."""
    return line[:at] + token * (size // len(token)) + line[at:]


@pytest.mark.parametrize("each", FORMATS, ids=name_of)
def test_time_grows_with_the_length_of_a_line(each: type[Format]) -> None:
    """A pattern that tries every start and every end would take minutes for one line of a MiB.

    Break: an unbounded part before a part that can fail, in any pattern of a format.
    """
    lines = [line for line in seed(each).split(b"\n") if len(line) > 8]
    draw = random.Random(each.name)
    for _ in range(4):
        line, token = (
            draw.choice(lines),
            draw.choice((b" ", b"1", b"a ", b"(", b"a=", b"1.", b"[", b":", b'"', b"-", b"a/", b",1", b"<a ")),
        )
        at = draw.randrange(len(line))
        spent = []
        for size in (LONG, 4 * LONG):
            data = stretched(line, at, token, size)
            began = time.process_time()
            recognise(data)
            read(each, data + b"\n")
            spent.append(time.process_time() - began)
        assert spent[1] < max(8 * spent[0], 1.0), (line[:80], at, token, spent)
