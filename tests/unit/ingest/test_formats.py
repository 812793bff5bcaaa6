"""Formats: every age and damage of the real input, and anything at all."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import FORMATS, named, recognise
from cobalt_tasks.ingest.formats.base import Format
from tests.support.rows import connection_rows

NOW = 1_800_000_000.0


def parse(name: str, text: str | bytes) -> Batch:
    """Parse text as a format, at position 1000."""
    data = text.encode() if isinstance(text, str) else text
    batch = Batch(7, NOW, "tool")
    named(name)().parse(data, 1000, batch)
    return batch


def found(batch: Batch) -> list[tuple[Any, ...]]:
    """Discoveries as (address, protocol, port, banner)."""
    banners = {(each.address, each.port): each.banner for each in batch.banners}
    return [(row[1], row[2], row[3], banners.get((row[1], row[3])) if row[4] else None) for row in batch.discoveries]


def reasons(batch: Batch) -> list[str]:
    """Return why lines were rejected."""
    return [row[2] for row in batch.rejects]


def line(**changes: Any) -> str:
    """Return a capture line with some values changed."""
    base = {"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.7", "dst_port": 443}
    return json.dumps({**base, **changes})


# Anything ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", FORMATS)
@given(data=st.binary(max_size=300))
@example(data=b'{"ip":' + b"[" * 100_000)
@example(data=b"\x00\xff\xfe")
@example(data=b'{"ip":"1.2.3.4","ip":"5.6.7.8","port":1e400}')
def test_no_input_makes_a_format_fail(each: type[Format], data: bytes) -> None:
    """Whatever comes is accepted, ignored or rejected; detection never fails either."""
    recognise(data)
    assert each.score(data) >= 0
    batch = Batch(1, NOW)
    parser = each()
    cut = parser.split(data)
    assert 0 <= cut <= len(data)
    parser.parse(data[:cut], 0, batch)
    parser.parse(data[cut:], cut, batch)
    assert all(0 <= row[1] <= len(data) for row in batch.rejects)


WORDS = st.sampled_from((
    *("type", "connection", "src_ip", "dst_ip", "dst_port", "metadata", "timestamp", "ip", "port", "ports", "proto", "data"),
    *("status", "success", "service", "banner", "saddr", "sport", "result", "ssh", "host", "url", "input", "failed", "true"),
    *("probe_status", "tls_version", "subject_an", "transport", "id.orig_h", "id.resp_h", "uid", "ts", "event_type", "flow"),
    *("flow_id", "dest_ip", "layers", "index", "ip_src", "ip_dst", "192.0.2.1", "2001:db8::1", "443", "open", "tcp"),
))  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=12,
)


@given(record=st.dictionaries(WORDS, VALUES, max_size=9))
@example(record={"ip": "192.0.2.1", "data": {"index": 1}})
def test_no_object_makes_a_format_fail(record: dict[str, Any]) -> None:
    """Objects with the right keys and the wrong values are records or rejects, and what is accepted fits the tables."""
    line = json.dumps(record).encode()
    recognise(line)
    batch = Batch(1, NOW)
    for each in FORMATS:
        each().parse(line, 0, batch)
    for row in (*connection_rows(batch), *batch.discoveries, *batch.rejects):
        assert all(value is None or isinstance(value, int | float | str | bytes) for value in row)
        assert not any(isinstance(value, str) and "\x00" in value for value in row)


@given(st.text(max_size=60), st.integers(), st.one_of(st.none(), st.floats(), st.text(max_size=30)))
@example(text="::ffff:192.0.2.1", port=80, when="2026-11-07T00:58:45Z")
def test_a_capture_line_is_stored_as_checked_values_or_rejected(text: str, port: int, when: object) -> None:
    """What is accepted has canonical addresses, a port of 16 bits and a time that exists."""
    batch = parse("capture", json.dumps({**json.loads(line()), "dst_ip": text, "dst_port": port, "timestamp": when}))
    assert batch.records == 1
    for row in batch.observations:
        assert row[5] == row[5].lower()
        assert 0 <= row[6] <= 65535
        assert 0 <= row[1] < 253402300800
        assert "\x00" not in repr(row[3:])


# Capture lines -----------------------------------------------------------------------------------------------------


def test_the_seed_line_is_read_as_it_is_meant() -> None:
    """Protocol and process come from the metadata, the rest of it is kept."""
    batch = parse("capture", line(metadata={"protocol": "UDP", "state": "ESTAB", "process": "curl"}))
    assert batch.observations == [
        (7, NOW, NOW, "192.0.2.2", None, "198.51.100.7", 443, "udp", "curl", None, '{"state":"ESTAB"}'),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("[2001:db8::80]", "2001:db8::80"),
        ("[fe80::1%eth0]", "fe80::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0:0::80", "2001:db8::80"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
    ],
)
def test_addresses_have_one_spelling(written: str, meant: str) -> None:
    """Brackets, interfaces and mapped forms disappear."""
    assert parse("capture", line(dst_ip=written)).observations[0][5] == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (1760000000.25, 1760000000.25),
        ("1760000000.25", 1760000000.25),
        ("2025-10-09T08:53:20Z", 1760000000.0),
        ("2025-10-09T08:53:20.250000+0000", 1760000000.25),
        ("2025-10-09T10:53:20+02:00", 1760000000.0),
    ],
)
def test_timestamps_of_every_emitter_are_read(written: object, meant: float) -> None:
    """Epoch seconds and ISO 8601, as number or text."""
    assert parse("capture", line(timestamp=written)).observations[0][1] == meant


def test_a_line_per_packet_keeps_protocol_number_and_size() -> None:
    """legacy_raw writes a number for the protocol, and port 0 where there are no ports."""
    batch = parse("capture", line(protocol_id=17, src_port=53, packet_size=60, dst_port=0))
    assert batch.observations[0][4:] == (53, "198.51.100.7", 0, "udp", None, None, '{"packet_size":60}')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("🆕 NEW: 8.8.8.8:443", "no JSON"),
        (line(dst_ip="999.8.8.8"), "dst_ip is no address: '999.8.8.8'"),
        (line(dst_port=70000), "dst_port is out of range: 70000"),
        (line(dst_port=None), "dst_port is missing"),
        (line(dst_ip=8), "Expected `str`, got `int` - at `$.dst_ip`"),
        (line(dst_ip=""), "dst_ip is missing"),
        (line(type="summary of our own"), "type is none of ours"),
        (line(timestamp=1e300), "timestamp is out of range"),
        (line(timestamp="yesterday"), "timestamp is no time"),
        (line(protocol="t\x00p"), "protocol is none"),
        (line(metadata=[1]), "metadata: Expected"),
        ("[1, 2, 3]", "Expected `object`, got `array`"),
        ('{"type":' + "[" * 1_000_000, "nested too deep"),
        ('{"type": "connection", "metadata":' + "[" * 1_000_000 + "]" * 1_000_000 + "}", "nested too deep"),
        (b'{"type": "\xff\xfe"}', "no JSON"),
        ('{"type": "connection", "dst_port": 1e999}', "Number out of range"),
    ],
)
def test_a_bad_line_is_rejected_with_its_reason(text: str | bytes, reason: str) -> None:
    """Noise, half lines and impossible values are counted and kept, with where they stood."""
    batch = parse("capture", line().encode() + b"\n" + (text.encode() if isinstance(text, str) else text) + b"\n")
    assert (len(batch.observations), batch.rejects[0][1]) == (1, 1000 + len(line()) + 1)
    assert reasons(batch)[0].startswith(reason)


def test_heartbeats_are_ignored() -> None:
    """A heartbeat is understood, and not wanted."""
    assert parse("capture", '{"type": "heartbeat", "scan_count": 10}').ignored == 1


def test_hostile_metadata_cannot_break_the_tables() -> None:
    """NUL does not reach a text column; a name of a process is cut."""
    batch = parse("capture", line(metadata={"process": "a\x00" + "b" * 9999, "other": "\x00"}))
    process, details = batch.observations[0][8], batch.observations[0][10]
    assert "\x00" not in process + details
    assert len(process) <= 300


# masscan -----------------------------------------------------------------------------------------------------------

STATUS = '{   "ip": "192.0.2.10",   "timestamp": "1760000000", "ports": [ {"port": 443, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 54} ] }'
SPOKEN = '{"ip":"192.0.2.11","timestamp":"1760000003","ports":[{"port":22,"proto":"tcp","service":{"name":"ssh","banner":"Caf\\u00c3\\u00a9"}}]}'
BARE = '{ ip: "192.0.2.12", timestamp: "1760000000", ports: [ {port: 80, proto: "tcp", status: "open", reason: "a, b: c"} ] }'
OPEN = ("192.0.2.10", "tcp", 443, None)
TOLD = ("192.0.2.11", "tcp", 22, b"Caf\xc3\xa9")
OLD = ("192.0.2.12", "tcp", 80, None)


@pytest.mark.parametrize(
    ("text", "expected", "refused"),
    [
        (f"[\n{STATUS}\n,\n{SPOKEN}\n]\n", [OPEN, TOLD], 0),  # 1.3
        (f"{STATUS},\n{SPOKEN},\n{{finished: 1}}\n", [OPEN, TOLD], 0),  # q1: 1.0.4
        (f"{BARE},\n{BARE},\n{{finished: 1}}\n", [OLD, OLD], 0),  # q1: older
        (f"[\n{STATUS},\n{SPOKEN},\n]\n", [OPEN, TOLD], 0),  # q2: trailing comma
        (f"[\n{STATUS}\n,\n{SPOKEN[:50]}", [OPEN], 1),  # q3: killed
        ("", [], 0),  # q4: nothing found
        (f"[\n{STATUS}\n]\n[\n{SPOKEN}\n]\n", [OPEN, TOLD], 0),  # q5: appended
        (f"[\n,\n{STATUS}\n,\n{SPOKEN}\n]\n", [OPEN, TOLD], 0),  # q6: rotated
        (f"{STATUS}\n,\nDiscovered open port 443/tcp on 192.0.2.10          \n{SPOKEN}", [OPEN, OPEN, TOLD], 0),  # q7
        (f"{STATUS}\n,\n{STATUS}\n", [OPEN, OPEN], 0),  # q8
        (f"[{STATUS},{SPOKEN}]", [OPEN, TOLD], 0),  # compacted by another program
    ],
)
def test_masscan_json_of_every_age_and_damage(text: str, expected: list[object], refused: int) -> None:
    """The quirks q1 to q8: whole records are accepted, half ones rejected, brackets and trailers not counted."""
    batch = parse("masscan-json", text)
    assert found(batch) == expected
    assert (len(batch.rejects), batch.ignored) == (refused, 0)


def test_masscan_says_what_is_closed() -> None:
    """A closed port is understood, and not wanted."""
    assert parse("masscan-json", STATUS.replace('"open"', '"closed"')).ignored == 1
    assert parse("masscan-list", "closed tcp 23 198.51.100.7 1760000001\n").ignored == 1


def test_masscan_list_is_read() -> None:
    """States, ICMP, IPv6, and banners with escaped bytes."""
    batch = parse(
        "masscan-list",
        "#masscan\nopen icmp 0 192.0.2.10 1760000001\nopen tcp 25 2001:DB8::25 1760000002\n"
        "banner tcp 22 192.0.2.10 1760000003 ssh Caf\\xc3\\xa9 \\x3c\n# end\n",
    )
    assert found(batch) == [
        ("192.0.2.10", "icmp", 0, None),
        ("2001:db8::25", "tcp", 25, None),
        ("192.0.2.10", "tcp", 22, b"Caf\xc3\xa9 <"),
    ]
    assert batch.records == 3


@given(st.binary(max_size=80))
def test_a_banner_comes_through_every_escape(raw: bytes) -> None:
    """Bytes written one by one come back as they were."""
    as_json = json.dumps(raw.decode("latin-1"))
    batch = parse(
        "masscan-json",
        f'{{"ip":"192.0.2.1","port":22,"proto":"tcp","rec_type":"banner","data":{{"service_name":"x","banner":{as_json}}}}}',
    )
    assert batch.banners[0].banner == raw
    as_text = "".join(f"\\x{byte:02x}" for byte in raw)
    batch = parse("masscan-list", f"banner tcp 22 192.0.2.1 1760000003 ssh {as_text}")
    assert batch.banners[0].banner == raw


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (line() + "\n", "capture"),
        ('{"type": "heartbeat"}\n', "capture"),
        (f"noise\n[\n{STATUS}\n", "masscan-json"),
        ("#masscan\n", "masscan-list"),
        ("once upon a time\n", None),
        ("", None),
    ],
)
def test_the_format_is_recognised(text: str, name: str | None) -> None:
    """By what only this format writes; noise before it does not matter."""
    chosen = recognise(text.encode())
    assert (chosen.name if chosen else None) == name
