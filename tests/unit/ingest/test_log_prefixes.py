"""Lines behind what logs write before them: the same comes of them as of the lines themselves, at the time of the prefix."""

import json
from typing import Any

import pytest

from cobalt_tasks.ingest.formats import FORMATS, named, recognise
from cobalt_tasks.ingest.formats.base import Format
from tests.support.reading import EVE_FLOW, NOW, Batch, connections, lines, ports, read
from tests.support.rows import connection_rows
from tests.unit.ingest.test_wrapped_lines import ISO, PACKET, PACKET_SEEN, SECONDS, SEEDS, facts, is_line_by_line

PREFIXES = {
    "compose": "sensor-1  | ",
    "compose in colours": "\x1b[36msensor-1  | \x1b[0m",
    "compose, old": "sensor_1  | ",
    "a container's name": "sensor  | ",
    "compose with times": f"sensor-1  | {ISO} ",
    "kubectl": "[pod/sensor-5f7/zeek] ",
    "kubectl with times": f"[pod/sensor-5f7/zeek] {ISO} ",
    "the runtime of Kubernetes": f"{ISO} stdout F ",
    "journal": "May 12 10:00:00 host prog[123]: ",
    "journal, short-iso": "2026-05-12T10:00:00+0000 host prog[123]: ",
    "syslog": "<13>May 12 10:00:00 host prog: ",
    "syslog, new": "<13>1 2026-05-12T10:00:00Z host prog 123 - - ",
    "ts": "May 12 10:00:00 ",
    "ts with a date": "2026-05-12 10:00:00 ",
    "ts -s": "00:00:03 ",
    "a date in brackets": "[2026-05-12 10:00:00] ",
}
LINE_BY_LINE = [each for each in FORMATS if is_line_by_line(each)]
OPEN = "Discovered open port 443/tcp on 192.0.2.10\n"
NMAP = """Starting Nmap 7.95 ( https://nmap.org ) at 2026-02-03 12:00 UTC
Nmap scan report for www.example.com (192.0.2.10)
Host is up (0.012s latency).
Not shown: 998 closed tcp ports (reset)
PORT   STATE SERVICE VERSION
22/tcp open  ssh     OpenSSH 8.9p1
MAC Address: 52:54:00:12:34:56 (QEMU virtual NIC)

Nmap done: 1 IP address (1 host up) scanned in 1.45 seconds
"""


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def behind(prefix: str, text: str) -> str:
    """Return the lines of a text behind a prefix."""
    return "".join(prefix + line + "\n" for line in text.splitlines() if line.strip())


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
@pytest.mark.parametrize("each", LINE_BY_LINE, ids=lambda each: each.name)
def test_each_line_may_stand_behind_a_prefix(each: type[Format], prefix: str) -> None:
    """It is recognised, and the same is read.

    Break: `Prefix.cut`, or `_best_inside` in recognition.py.
    """
    data = (SEEDS / each.name).read_bytes()
    text = behind(prefix, data.decode())
    assert recognise(text.encode()) is each
    assert facts(text.encode(), each) == facts(data, each)


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_lines_below_others_may_stand_behind_a_prefix(prefix: str) -> None:
    """What nmap prints about a host belongs to it; `Not shown:` is no program of a host called Not.

    Break: `_host` in log_prefix.py.
    """
    batch, plain = read(behind(prefix, NMAP), "nmap-normal"), read(NMAP, "nmap-normal")
    assert batch.discoveries == plain.discoveries
    assert [part.hosts for part in batch.scans] == [part.hosts for part in plain.scans]
    assert batch.rejects == []


@pytest.mark.parametrize("name", [name for name, text in PREFIXES.items() if "10:00:00" in text])
def test_the_prefix_has_the_time(name: str) -> None:
    """A line without one was written then; so was an object."""
    found = read(behind(PREFIXES[name], OPEN), "masscan-text")
    assert [int(row[5]) for row in found.discoveries] == [SECONDS]
    port = {"ip": "192.0.2.10", "port": 22, "protocol": "ssh", "tls": False, "transport": "tcp"}
    found = read(behind(PREFIXES[name], lines(port)), "fingerprintx")
    assert [int(row[5]) for row in found.discoveries] == [SECONDS]


@pytest.mark.parametrize("prefix", ["sensor-1  | ", "[pod/a/b] ", f"[pod/a/b] {ISO} "])
def test_a_format_that_reads_the_time_of_syslog_keeps_it(prefix: str) -> None:
    """Only what stands before that is taken off.

    Break: `keeps_times`.
    """
    batch = read(behind(prefix, f"May 12 10:00:00 fw kernel: {PACKET}"), "iptables")
    assert connections(batch) == [PACKET_SEEN]
    assert [int(row[1]) for row in connection_rows(batch)] == [SECONDS]


@pytest.mark.parametrize(
    ("first", "prefix"),
    [
        ("-- Logs begin at Mon 2026-11-02 10:00:00 UTC, end at Sat 2026-11-28 02:00:00 UTC. --", "journal"),
        ("Attaching to sensor-1", "compose"),
    ],
)
def test_what_the_reader_of_a_log_prints_for_itself_is_no_line(first: str, prefix: str) -> None:
    """It is not refused: it is none of the tool's.

    Break: `_NO_LINE` in log_prefix.py.
    """
    for text in (OPEN, "#masscan\nopen tcp 443 192.0.2.10 1760000000\n"):
        batch = read(f"{first}\n{behind(PREFIXES[prefix], text)}")
        assert (ports(batch), batch.rejects) == ([("192.0.2.10", "tcp", 443)], [])


@pytest.mark.parametrize(
    "table",
    [
        "ip | port | proto\n192.0.2.1 | 443 | tcp\n192.0.2.1 | 80 | tcp\n",
        "ip         | port\n192.0.2.1  | 443\n192.0.2.1  | 80\n",
    ],
)
def test_a_table_is_no_log(table: str) -> None:
    """Its first column is no service, though all rows have the same.

    Break: `_have_service` in log_prefix.py.
    """
    assert ports(read(table, "csv")) == [("192.0.2.1", "tcp", 443), ("192.0.2.1", "tcp", 80)]
    # Rows that a pipe brings later have no header before them.
    parser, batch = named("csv")(), Batch(1, NOW)
    cut = table.rindex("192.0.2.1")
    for piece in (table[:cut], table[cut:]):
        parser.parse(piece.encode(), 0, batch)
    assert len(ports(batch)) == 2


def written(record: dict[str, Any], form: str) -> str:
    """Return two records over several lines each, as they are saved."""
    match form:
        case "one after another":
            return json.dumps(record, indent="\t") + "\n" + json.dumps(record, indent="\t") + "\n"
        case "an array":
            return json.dumps([record, record], indent=2) + "\n"
        case "events":
            return json.dumps({"events": [record, record], "searchedLogStreams": []}, indent=4) + "\n"
    hits = [{"_index": "logs", "_source": record}] * 2
    return json.dumps({"took": 1, "hits": {"total": 2, "hits": hits}}, indent=2) + "\n"


@pytest.mark.parametrize("form", ["one after another", "an array", "events", "answer"])
@pytest.mark.parametrize("text", [PACKET, OPEN.strip()])
def test_wrappers_over_several_lines(text: str, form: str) -> None:
    """`journalctl -o json-pretty`, the commands of AWS, `jq`: wherever a pipe cuts them, two lines are two records.

    Break: `wrapped.whole`, or `_pieces` in wrapped.py.
    """
    data = written({"timestamp": SECONDS * 1000, "message": text}, form).encode()
    chosen = recognise(data)
    assert chosen is not None
    for at in range(0, len(data), 37):
        parser, batch = chosen(), Batch(1, NOW)
        cut = parser.split(data[:at])
        parser.parse(data[:cut], 0, batch)
        parser.parse(data[cut:], cut, batch)
        times = [row[1] for row in connection_rows(batch)] + [row[5] for row in batch.discoveries]
        assert (times, batch.rejects, batch.ignored) == ([SECONDS, SECONDS], [], 0)


@pytest.mark.parametrize(
    "record",
    [
        {"time": SECONDS, "host": "x", "sourcetype": "suricata", "event": EVE_FLOW},
        {"insertId": "x", "jsonPayload": EVE_FLOW, "timestamp": ISO},
        {"@timestamp": ISO, "json": EVE_FLOW, "agent": {"type": "filebeat"}},
        {"message": "ET SCAN {x", "event": {"original": json.dumps(EVE_FLOW), "kind": "alert"}, "source": {"port": 1}},
        {"message": "ET SCAN", "event.original": json.dumps(EVE_FLOW)},
        {"timestamp": ISO, "rule": {}, "full_log": json.dumps(EVE_FLOW), "data": {"flow_id": "1.0"}},
        {"events": [{"timestamp": SECONDS * 1000, "message": json.dumps(EVE_FLOW)}]},
        {"_source": {"message": json.dumps(EVE_FLOW), "event": {"kind": "event"}}},
    ],
    ids=["splunk", "gcp", "filebeat", "elastic", "flat", "wazuh", "cloudwatch", "elasticsearch"],
)
def test_objects_in_the_objects_of_log_shippers(record: dict[str, Any]) -> None:
    """As text or as an object, below the keys that each of them uses.

    Break: `objects` in wrapped.py.
    """
    batch = read(lines(record), "suricata-eve")
    assert connections(batch) == [("192.0.2.2", 4444, "203.0.113.53", 53, "udp")]
    assert (batch.rejects, batch.ignored) == ([], 0)


def test_several_objects_in_one_wrapper() -> None:
    """Each is a record, as each line of text is."""
    events = [{"timestamp": SECONDS * 1000, "message": json.dumps({**EVE_FLOW, "flow_id": each})} for each in range(3)]
    assert len(connections(read(lines({"logGroup": "a", "logEvents": events}), "suricata-eve"))) == 3
