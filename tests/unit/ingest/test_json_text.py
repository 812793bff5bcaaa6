"""JSON as people have it: over several lines, in arrays, joined, behind the prefixes of logs, cut."""

import json
from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import SAMPLE, named, recognise

NOW = 1_800_000_000.0
EVE = {
    "timestamp": "2026-01-02T06:13:36.000000+0000",
    "flow_id": 1001,
    "event_type": "flow",
    "src_ip": "192.0.2.2",
    "src_port": 49175,
    "dest_ip": "203.0.113.80",
    "dest_port": 80,
    "proto": "TCP",
    "flow": {"state": "closed", "text": 'a "brace" {'},
}
PORT = {"host": "www.example.com", "ip": "192.0.2.10", "port": 443, "protocol": "tcp", "tls": False}
LINE = {"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.7", "dst_port": 443, "metadata": {"a": {}}}
MASSCAN = {"ip": "192.0.2.10", "timestamp": "1760000000", "ports": [{"port": 443, "proto": "tcp", "status": "open"}]}
KINDS = [("suricata-eve", EVE), ("naabu-json", PORT), ("capture", LINE), ("masscan-json", MASSCAN)]
MASSCAN_FORMS = ("lines", "jq .", "jq --tab .", "jq -s .", "jq -cs .", "commas first")
"""Masscan's reader is one of its own: it mends what masscan breaks, and reads no more forms than these."""


def several(record: dict[str, Any], number: int = 3) -> list[dict[str, Any]]:
    """Return records that differ in a number none of them is rejected for."""
    return [{**record, "flow_id": 1000 + each} for each in range(number)]


def forms(record: dict[str, Any]) -> dict[str, str]:
    """Return three records in each form that JSON is saved in."""
    three = several(record)
    lines = [json.dumps(each) for each in three]
    return {
        "lines": "\n".join(lines) + "\n",
        "jq .": "\n".join(json.dumps(each, indent=2) for each in three) + "\n",
        "jq --tab .": "\n".join(json.dumps(each, indent="\t") for each in three),
        "no indentation": "\n".join(json.dumps(each, indent=0) for each in three),
        "jq -s .": json.dumps(three, indent=2) + "\n",
        "jq -cs .": json.dumps(three) + "\n",
        "an element a line": "[" + ",\n".join(lines) + "]\n",
        "commas first": "[\n  " + "\n, ".join(lines) + "\n]\n",
        "joined": "".join(lines),
        "Windows": "\ufeff" + "\r\n".join(lines) + "\r\n",
        "docker compose logs": "".join(f"suricata-1  | {each}\n" for each in lines),
        "the journal": "".join(f"Jan 02 06:13:36 sensor suricata[77]: {each}\n" for each in lines),
        "docker's files": "".join(json.dumps({"log": each + "\n", "stream": "stdout"}) + "\n" for each in lines),
        "behind progress": "".join(f"10% done\r{each}\n" for each in lines),
    }


def read(name: str, text: str) -> Batch:
    """Recognise a text, and read it in two pieces, cut anywhere."""
    data = text.encode()
    chosen = recognise(data)
    assert (chosen.name if chosen else None) == name
    data = data.removeprefix("\ufeff".encode())
    results = set()
    batch = Batch(7, NOW)
    for at in range(0, len(data), 41):
        parser, batch = named(name)(), Batch(7, NOW)
        cut = parser.split(data[:at])
        parser.parse(data[:cut], 0, batch)
        parser.parse(data[cut:], cut, batch)
        results.add((len(batch.rejects), batch.records))
    assert len(results) == 1
    return batch


@pytest.mark.parametrize(
    ("name", "record", "form"),
    [(*kind, form) for kind in KINDS for form in (MASSCAN_FORMS if kind[0] == "masscan-json" else forms(EVE))],
)
def test_every_form_of_json_has_the_same_records(name: str, record: dict[str, Any], form: str) -> None:
    """Wherever a pipe cuts them, the three objects are three records, and nothing is rejected."""
    batch = read(name, forms(record)[form])
    assert (batch.rejects, batch.records) == ([], 3)


@pytest.mark.parametrize("name", ["suricata-eve", "capture"])
def test_a_record_that_was_cut_does_not_take_the_next_with_it(name: str) -> None:
    """A writer that was killed in the middle of an object, and started again: one reject, and the rest is read."""
    record = dict(KINDS)[name]
    lines = [json.dumps(each) for each in several(record)]
    for text in (lines[0] + "\n" + lines[1][:60] + lines[2] + "\n", lines[0] + "\n" + lines[1][:60] + "\n" + lines[2]):
        batch = read(name, text)
        assert (len(batch.rejects), batch.records) == (1, 3)
        assert lines[1][:50] in batch.rejects[0][3].decode()
    spread = [json.dumps(each, indent=2) for each in several(record)]
    batch = read(name, "\n".join((spread[0], spread[1][:60], spread[2])) + "\n")
    assert (len(batch.rejects), batch.records) == (1, 3)


def test_positions_of_rejects_are_where_the_objects_are() -> None:
    """In an array, and behind a prefix."""
    text = "[" + json.dumps(PORT) + ', {"ip": "192.0.2.11", "port": 70000, "protocol": "tcp", "tls": true}]\n'
    batch = Batch(7, NOW)
    named("naabu-json")().parse(text.encode(), 100, batch)
    position, reason, line = batch.rejects[0][1:4]
    assert (position, reason) == (100 + text.index('{"ip": "192.0.2.11"'), "port is out of range: 70000")
    assert text.encode()[position - 100 :].startswith(line)


def test_a_long_array_on_one_line_is_read_in_pieces() -> None:
    """`jq -cs` makes a line of any length: it is cut between elements, so that it is never held."""
    data = json.dumps(several(EVE, 2000)).encode()
    parser, batch = named("suricata-eve")(), Batch(7, NOW)
    position, buffer, largest = 0, b"", 0
    for at in range(0, len(data), 16384):
        buffer += data[at : at + 16384]
        cut = parser.split(buffer)
        parser.parse(buffer[:cut], position, batch)
        position, buffer = position + cut, buffer[cut:]
        largest = max(largest, len(buffer))
    parser.parse(buffer, position, batch)
    assert (batch.rejects, batch.records) == ([], 2000)
    assert largest < 100 * 1024


def test_a_long_first_record_is_recognised() -> None:
    """A zgrab2 record of a large page is one line of more than 100 KiB."""
    module = {"status": "success", "protocol": "http", "port": 80, "result": {"response": {"body": "x" * 200_000}}}
    line = json.dumps({"ip": "192.0.2.10", "data": {"http": module}})
    assert len(line) < SAMPLE
    chosen = recognise((line + "\n" + line + "\n").encode())
    assert chosen is not None
    assert chosen.name == "zgrab2"
