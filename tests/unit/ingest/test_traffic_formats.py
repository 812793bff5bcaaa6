"""Zeek, Suricata, tshark and ss: real lines and what they mean."""

import json
from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named, recognise
from tests.support.rows import connection_rows

NOW = 1_800_000_000.0


def parse(name: str, text: str) -> Batch:
    """Parse a whole input, which must be recognised as the format it is."""
    chosen = recognise(text.encode())
    assert (chosen.name if chosen else None) == name
    batch = Batch(7, NOW, "tool")
    named(name)().parse(text.encode(), 0, batch)
    return batch


def seen(batch: Batch) -> list[tuple[Any, ...]]:
    """Return observations as (time, source, source port, destination, its port, protocol, identity)."""
    rows = connection_rows(batch)
    return [(row[1], row[3], row[4], row[5], row[6], row[7], row[9]) for row in rows]


def details(batch: Batch) -> dict[str, Any]:
    """Return the details of the first observation."""
    found: dict[str, Any] = json.loads(connection_rows(batch)[0][10])
    return found


FIELDS = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state ip_proto"
)
ROW = "1760000000.305988 CMdzit1AMNsmfAIiQc 192.0.2.2 46378 203.0.113.80 80 tcp http 0.254115 77 295 SF 6"
CONN = (1760000000.305988, "192.0.2.2", 46378, "203.0.113.80", 80, "tcp", "CMdzit1AMNsmfAIiQc")


def zeek(fields: str, *rows: str) -> str:
    """Return a TSV log as Zeek writes it."""
    head = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    return (
        head + "#fields\t" + "\t".join(fields.split()) + "\n" + "".join("\t".join(row.split()) + "\n" for row in rows)
    )


def test_zeek_tsv_is_read_by_its_header() -> None:
    """Columns may come in any order and number; a new header starts over; comments are no records."""
    text = (
        zeek(FIELDS, ROW)
        + "#close\t2025-10-09\n"
        + zeek("uid proto id.resp_p id.resp_h id.orig_h ts", "C2 udp 53 8.8.8.8 192.0.2.2 1")
    )
    batch = parse("zeek-tsv", text)
    assert seen(batch) == [CONN, (1.0, "192.0.2.2", 0, "8.8.8.8", 53, "udp", "C2")]
    assert details(batch)["orig_bytes"] == 77
    assert details(batch)["service"] == "http"
    assert batch.records == 2


def test_zeek_columns_survive_a_restart() -> None:
    """The header travels with the checkpoint."""
    text = zeek(FIELDS, ROW).encode()
    cut = text.index(b"17600000")
    first, second = named("zeek-tsv")(), named("zeek-tsv")()
    first.parse(text[:cut], 0, Batch(7, NOW))
    second.state = first.state
    batch = Batch(7, NOW)
    second.parse(text[cut:], cut, batch)
    assert seen(batch) == [CONN]


def test_zeek_rows_that_do_not_fit_are_rejected() -> None:
    """Too few cells, or a row before any header."""
    assert parse("zeek-tsv", zeek(FIELDS, ROW, "1 2 3")).rejects[0][2] == "3 cells for 13 fields"
    batch = Batch(7, NOW)
    named("zeek-tsv")().parse(b"1\t2\n", 0, batch)
    assert batch.rejects[0][2] == "no #fields line before it"


def test_zeek_json() -> None:
    """Dots in keys; absent fields are missing."""
    line = '{"ts":1760000000.305988,"uid":"CMdzit1AMNsmfAIiQc","id.orig_h":"192.0.2.2","id.orig_p":46378,"id.resp_h":"203.0.113.80","id.resp_p":80,"proto":"tcp","orig_bytes":77,"local_orig":true}'
    batch = parse("zeek-json", line + "\n")
    assert seen(batch) == [CONN]
    assert details(batch) == {"orig_bytes": 77, "local_orig": True}


def test_zeek_ssl_names_are_facts() -> None:
    """The name asked for, and the one the certificate gives."""
    fields = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version server_name subject"
    batch = parse(
        "zeek-tsv", zeek(fields, "1 C1 192.0.2.2 5000 203.0.113.80 443 TLSv12 www.example.com CN=example.com,O=Example")
    )
    assert {(each.address, each.name, each.source) for each in batch.hostnames} == {
        ("203.0.113.80", "www.example.com", "zeek"),
        ("203.0.113.80", "example.com", "certificate"),
    }


def eve(kind: str, **others: Any) -> str:
    """Return an event as Suricata writes it."""
    event = {
        "timestamp": "2025-10-09T08:53:20.250000+0000",
        "flow_id": 1676750115612680,
        "event_type": kind,
        "src_ip": "192.0.2.2",
        "src_port": 49175,
        "dest_ip": "203.0.113.80",
        "dest_port": 443,
        "proto": "TCP",
    }
    return json.dumps({**event, **others}) + "\n"


def test_suricata_events() -> None:
    """Five kinds of events are connections known by flow_id; statistics are ignored; names are facts."""
    batch = parse(
        "suricata-eve",
        eve("flow", app_proto="tls", flow={"bytes_toserver": 3536, "state": "closed"})
        + eve("tls", tls={"sni": "www.example.com", "subject": "C=EX, CN=example.com", "version": "TLS 1.2"})
        + eve("http", http={"hostname": "web.example.com", "url": "/"})
        + eve("alert", alert={"signature": "x", "severity": 1})
        + eve("dns", dns={"rrname": "example.com"})
        + '{"timestamp":"2025-10-09T08:53:20.250000+0000","event_type":"stats","stats":{}}\n',
    )
    assert set(seen(batch)) == {(1760000000.25, "192.0.2.2", 49175, "203.0.113.80", 443, "tcp", "1676750115612680")}
    assert (len(batch.identified), batch.joined, batch.ignored) == (1, 4, 1)
    told = details(batch)
    assert told["event"] == ["alert", "dns", "flow", "http", "tls"]
    assert {
        "service": "tls",
        "bytes_toserver": 3536,
        "state": "closed",
        "sni": "www.example.com",
    }.items() <= told.items()
    assert {(each.name, each.source) for each in batch.hostnames} == {
        ("www.example.com", "suricata"),
        ("example.com", "certificate"),
        ("web.example.com", "suricata"),
    }


def test_tshark_ek() -> None:
    """Index lines are no records; times are in seconds or milliseconds; without -e fields lie deeper."""
    batch = parse(
        "tshark-ek",
        '{"index":{"_index":"packets-2025-10-09","_type":"doc"}}\n'
        '{"timestamp":"1760000000123","layers":{"frame_time_epoch":["1760000000.123456000"],"ip_src":["192.0.2.2"],"ip_dst":["203.0.113.80"],"tcp_dstport":["443"]}}\n'
        '{"timestamp":"1760000000123","layers":{"ip":{"ip_ip_src":"192.0.2.2","ip_ip_dst":"8.8.8.8"},"udp":{"udp_udp_srcport":"5353","udp_udp_dstport":"53"}}}\n'
        '{"timestamp":"1760000000123","layers":{"arp":{"arp_arp_opcode":"1"}}}\n',
    )
    assert seen(batch) == [
        (1760000000.123456, "192.0.2.2", None, "203.0.113.80", 443, "tcp", None),
        (1760000000.123, "192.0.2.2", 5353, "8.8.8.8", 53, "udp", "udp 20370"),
    ]
    assert (batch.ignored, batch.records) == (1, 3)


def test_tshark_fields() -> None:
    """Columns by name; IPv4 and IPv6 take turns in being empty."""
    batch = parse(
        "tshark-fields",
        "frame.time_epoch\tip.src\tip.dst\tipv6.src\tipv6.dst\ttcp.dstport\tudp.dstport\n"
        "1760000000.5\t192.0.2.2\t203.0.113.80\t\t\t443\t\n"
        "1760000000.5\t\t\t2001:db8::2\t2001:db8::80\t\t53\n"
        "1760000000.5\t192.0.2.2,192.0.2.3\t203.0.113.80\t\t\t\t\n"
        "1760000000.5\n",
    )
    assert [each[1:6] for each in seen(batch)] == [
        ("192.0.2.2", None, "203.0.113.80", 443, "tcp"),
        ("2001:db8::2", None, "2001:db8::80", 53, "udp"),
        ("192.0.2.2", None, "203.0.113.80", 0, "ip"),
    ]
    assert len(batch.rejects) == 1


def test_ss() -> None:
    """Connections, not sockets that wait; brackets and interfaces go; a process where there is one."""
    batch = parse(
        "ss",
        "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n"
        'tcp   ESTAB  0      0      192.0.2.2:60454  203.0.113.80:443  users:(("curl",pid=4242,fd=5))\n'
        "tcp   ESTAB  0      0      [2001:db8::2]:51514  [2001:db8::80]:443\n"
        "tcp   ESTAB  0      0      [fe80::2%eth0]:51514  [fe80::1%eth0]:443\n"
        "tcp   LISTEN 0      128    0.0.0.0:22  0.0.0.0:*\n"
        "udp   UNCONN 0      0      127.0.0.1:323  0.0.0.0:*\n",
    )
    assert [each[1:6] for each in seen(batch)] == [
        ("192.0.2.2", 60454, "203.0.113.80", 443, "tcp"),
        ("2001:db8::2", 51514, "2001:db8::80", 443, "tcp"),
        ("fe80::2", 51514, "fe80::1", 443, "tcp"),
    ]
    assert batch.observations[0][8] == "curl"
    assert (batch.ignored, batch.rejects) == (2, [])


@pytest.mark.parametrize("name", ["zeek-json", "suricata-eve", "tshark-ek"])
@pytest.mark.parametrize("line", ["{}", '{"layers": {"ip_src": ["x"]}}', '{"event_type": "flow"}', '{"id.orig_h": 7}'])
def test_objects_that_say_nothing_are_rejected(name: str, line: str) -> None:
    """What lacks its addresses is one reject, or not wanted; never a failure."""
    batch = Batch(7, NOW)
    named(name)().parse(line.encode(), 0, batch)
    assert (batch.records, len(batch.rejects)) == (1, 1)
