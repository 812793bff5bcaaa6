"""Lines of text that a log shipper put into objects: the same comes of them as of the lines themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

from cobalt_tasks.ingest.formats import FORMATS, recognise
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from tests.support.reading import EVE_FLOW, connections, lines, ports, read
from tests.support.rows import connection_rows

SEEDS = Path(__file__).parents[2] / "fuzz" / "seeds"


def is_line_by_line(each: type[Format]) -> bool:
    """Return whether each line of a format's example stands for itself: no cell of several, nothing below another."""
    if not each.unwraps or issubclass(each, JsonFormat):
        return False
    return all(
        line.count(b'"') % 2 == 0 and line[:1] != b"\t" for line in (SEEDS / each.name).read_bytes().splitlines()
    )


WRAPPED = [each for each in FORMATS if is_line_by_line(each)]
ISO = "2026-05-12T10:00:00.123456789Z"
SECONDS = 1_778_580_000
PACKET = "[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.9 DST=192.0.2.5 PROTO=TCP SPT=45678 DPT=22 SYN"
PACKET_SEEN = ("192.0.2.9", 45678, "192.0.2.5", 22, "tcp")


def facts(data: bytes, each: type[Format]) -> list[Any]:
    """Return what came of an input without its times, comparable."""
    batch = read(data, each.name)
    seen = [(row[3:8], row[10]) for row in connection_rows(batch)]
    found = [(row[1:5], row[7:]) for row in batch.discoveries]
    named = [(each.address, each.name) for each in batch.hostnames]
    return [*sorted(map(repr, seen)), *sorted(map(repr, found)), *sorted(named), batch.ignored, len(batch.rejects)]


@pytest.mark.parametrize("each", WRAPPED, ids=lambda each: each.name)
def test_each_line_of_text_may_be_wrapped(each: type[Format]) -> None:
    """As Docker keeps what a container prints: it is recognised, and the same is read.

    Break: the second round in `recognise`, or `wrapped.lines`.
    """
    data = (SEEDS / each.name).read_bytes()
    text = data.decode().splitlines(keepends=True)
    shipped = lines(*({"log": line, "stream": "stdout"} for line in text if line.strip())).encode()
    assert recognise(shipped) is each
    assert facts(shipped, each) == facts(data, each)


@pytest.mark.parametrize(
    "record",
    [
        {"log": f"{PACKET}\n", "stream": "stdout", "time": ISO},
        {"__REALTIME_TIMESTAMP": "1778580000123456", "_TRANSPORT": "kernel", "MESSAGE": PACKET},
        {"__REALTIME_TIMESTAMP": "1778580000123456", "MESSAGE": list(PACKET.encode())},
        {"log": {"syslog": {"priority": 7}}, "message": PACKET, "@timestamp": ISO},
        {"labels": {"job": "ufw"}, "line": PACKET, "timestamp": ISO},
        {"date": SECONDS + 0.123456, "log": PACKET},
        {"textPayload": PACKET, "timestamp": ISO},
        {"preview": False, "result": {"_raw": PACKET, "_time": ISO}},
        {"logGroup": "fw", "logEvents": [{"id": "1", "timestamp": SECONDS * 1000 + 123, "message": PACKET}]},
        {"log": json.dumps({"message": PACKET, "timestamp": ISO}), "time": "2026-06-01T00:00:00Z"},
    ],
    ids=["docker", "journal", "bytes", "filebeat", "loki", "fluent-bit", "gcp", "splunk", "cloudwatch", "twice"],
)
def test_the_wrapper_has_the_time(record: dict[str, Any]) -> None:
    """A line without a time was written when the innermost wrapper says."""
    batch = read(lines(record), "iptables")
    assert connections(batch) == [PACKET_SEEN]
    assert [int(row[1]) for row in connection_rows(batch)] == [SECONDS]
    assert (batch.ignored, batch.rejects) == (0, [])


def test_the_time_of_a_wrapper_ends_with_it() -> None:
    """The next line, which has none, has the time of its arrival; scans have the wrapper's time too.

    Break: `Batch.discover`, or the last line of `wrapped.lines`.
    """
    found = read(
        lines({"log": "Discovered open port 443/tcp on 192.0.2.10\n", "time": ISO})
        + "Discovered open port 80/tcp on 192.0.2.10\n",
        "masscan-text",
    )
    assert [int(row[5]) for row in found.discoveries] == [SECONDS, 1_800_000_000]


def test_several_lines_in_one_wrapper() -> None:
    """Each is a record; one that is refused is kept as it is, without the wrapper."""
    batch = read(
        lines({"log": "Discovered open port 443/tcp on 192.0.2.10\nnothing of masscan\n", "time": ISO}), "masscan-text"
    )
    assert ports(batch) == [("192.0.2.10", "tcp", 443)]
    assert [row[3] for row in batch.rejects] == [b"nothing of masscan"]


def test_an_object_behind_a_prefix_in_a_wrapper() -> None:
    """Docker wraps what a container writes for syslog: the object behind its start is read.

    Break: `wrapped.objects`.
    """
    batch = read(lines({"log": f"May 12 10:00:00 sensor suricata[12]: {json.dumps(EVE_FLOW)}\n"}), "suricata-eve")
    assert connections(batch) == [("192.0.2.2", 4444, "203.0.113.53", 53, "udp")]
