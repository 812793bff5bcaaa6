"""Siblings of published inputs: what a neighbour of a known form holds is read as well."""

import json

import pytest

from cobalt_tasks.ingest import values
from tests.support.reading import about, connections, details, lines, names, ports, read, services
from tests.support.rows import connection_rows

STARTED = 1_759_999_999


@pytest.mark.parametrize("written", ["2025-10-09T08:53:19.5Z", "Oct  9, 2025 08:53:19.500000000 UTC"])
def test_the_time_in_utc_that_tshark_writes(written: str) -> None:
    """`frame.time_utc` is a time, whose comma is no separator.

    Break: `TIMES` in tshark/packets.py.
    """
    for separator in ("\t", ","):
        columns = ("frame.time_utc", "ip.src", "ip.dst", "tcp.dstport")
        rows = (columns, (written, "192.0.2.2", "203.0.113.80", "443"))
        batch = read("".join(separator.join(row) + "\n" for row in rows), "tshark-fields")
        assert [row[1] for row in connection_rows(batch)] == [STARTED + 0.5]
        assert batch.rejects == []


def test_what_answers_at_the_end_of_redirects_is_another_port() -> None:
    """The port's own answer is the first: its product, its names; the page behind it is kept in the details.

    Break: `own` in zgrab2/results.py.
    """
    first = {
        "status_line": "301 Moved Permanently",
        "status_code": 301,
        "headers": {"server": ["nginx/1.18.0"], "location": ["https://www.example.net/"]},
        "request": {"url": {"scheme": "http", "host": "192.0.2.10", "path": "/"}},
    }
    last = {
        "status_line": "200 OK",
        "status_code": 200,
        "headers": {"server": ["cloudflare"], "location": ["https://third.example.net/"]},
        "request": {"url": {"scheme": "https", "host": "www.example.net:8443", "path": "/"}},
    }
    said = {"status": "success", "protocol": "http", "result": {"response": last, "redirect_response_chain": [first]}}
    batch = read(lines({"ip": "192.0.2.10", "data": {"http": said}}), "zgrab2")
    assert services(batch) == {("192.0.2.10", 80): ("http", "nginx", "1.18.0")}
    assert names(batch) == {("192.0.2.10", "www.example.net")}
    assert "cloudflare" in json.dumps(about(batch))


def test_answers_of_mdns_name_addresses() -> None:
    """Suricata 8 has them as events of their own.

    Break: `mdns` in suricata/facts.py.
    """
    event = {
        "timestamp": "2026-05-12T10:00:00.000000+0000",
        "flow_id": 3,
        "event_type": "mdns",
        "src_ip": "192.0.2.88",
        "src_port": 5353,
        "dest_ip": "224.0.0.251",
        "dest_port": 5353,
        "proto": "UDP",
        "mdns": {"type": "response", "answers": [{"rrname": "printer.local", "rrtype": "A", "rdata": "192.0.2.88"}]},
    }
    batch = read(lines(event), "suricata-eve")
    assert names(batch) == {("192.0.2.88", "printer.local")}
    assert connections(batch) == [("192.0.2.88", 5353, "224.0.0.251", 5353, "udp")]


def test_the_second_table_of_macos_has_a_header_too() -> None:
    """`netstat -an` prints Multipath's below the first.

    Break: `_HEADERS` in sockets/netstat.py.
    """
    batch = read(
        "Active Internet connections (including servers)\n"
        "Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)    \n"
        "tcp4       0      0  192.0.2.5.62077        203.0.113.80.443       ESTABLISHED\n"
        "Active Multipath Internet connections\n"
        "Proto/ID  Flags      Local Address          Foreign Address        (state)    \n",
        "netstat",
    )
    assert connections(batch) == [("192.0.2.5", 62077, "203.0.113.80", 443, "tcp")]
    assert batch.rejects == []


def test_websockets_of_zeek_run_on_tcp() -> None:
    """The log has no column for the protocol.

    Break: `_TCP` in zeek/logs.py.
    """
    ends = {"id.orig_h": "192.0.2.2", "id.orig_p": 50000, "id.resp_h": "203.0.113.80", "id.resp_p": 80}
    batch = read(lines({"_path": "websocket", "ts": 1.5, "uid": "C1", **ends, "host": "www.example.com"}), "zeek-json")
    assert connections(batch) == [("192.0.2.2", 50000, "203.0.113.80", 80, "tcp")]
    assert details(batch)[0]["host"] == "www.example.com"
    assert ports(batch) == []


OPENVAS_OLD = """<get_reports_response status="200"><report id="a" format_id="b" extension="xml" content_type="text/xml"><report id="a">
<scan_start>Thu Apr  7 16:04:40 2011</scan_start>
<ports start="1" max="-1"><port><host>192.0.2.10</host>general/tcp<threat>High</threat></port>
<port><host>192.0.2.10</host>ssh (22/tcp)<threat>Low</threat></port></ports>
<results start="1" max="-1"><result id="x"><host>192.0.2.10</host><port>www (80/tcp)</port><nvt oid="1"/></result></results>
</report></report></get_reports_response>
"""
OPENVAS_NEW = """<report id="a" format_id="b" extension="xml" content_type="text/xml"><report id="a"><gmp><version>22.4</version></gmp>
<scan_start>2024-05-02T10:00:10Z</scan_start><ports start="1" max="-1"><count>2</count>
<port>443/tcp<host>192.0.2.10</host><severity>5.0</severity><threat>Medium</threat></port>
<port>general/tcp<host>192.0.2.10</host><severity>2.6</severity><threat>Low</threat></port></ports></report></report>
"""


@pytest.mark.parametrize(
    ("text", "expected", "started"),
    [
        (OPENVAS_OLD, [("192.0.2.10", "tcp", 22), ("192.0.2.10", "tcp", 80)], "Thu Apr  7 16:04:40 2011"),
        (OPENVAS_NEW, [("192.0.2.10", "tcp", 443)], "2024-05-02T10:00:10Z"),
    ],
)
def test_ports_of_openvas_without_results(text: str, expected: list[tuple[str, str, int]], started: str) -> None:
    """The list of ports of a report has all that were open, since the scan started; `general` is none.

    Break: the tag `port`, or `_started` in reports/openvas.py.
    """
    batch = read(text, "openvas")
    assert ports(batch) == expected
    when = values.asctime(started) or values.timestamp(started)
    assert {row[5] for row in batch.discoveries} == {when}
    assert batch.rejects == []


def test_what_httpx_has_in_csv() -> None:
    """The web server of a table is a banner: its product and version are told from it, and the scheme names the service.

    Break: `server` in port_table.py.
    """
    head = "timestamp,port,url,input,title,scheme,webserver,status_code,host\n"
    row = "2026-05-12T10:00:00Z,443,https://www.example.com,www.example.com,Hi,https,nginx/1.18.0,200,192.0.2.10\n"
    batch = read(head + row, "csv")
    assert services(batch) == {("192.0.2.10", 443): ("https", "nginx", "1.18.0")}
    assert names(batch) == {("192.0.2.10", "www.example.com")}


def test_what_nmap_finds_of_protocols_in_the_grepable_form() -> None:
    """-sO has no line of ports: it was taken for the form for people, and nothing came of it.

    Break: `_GREPABLE` in nmap/normal.py.
    """
    batch = read(
        "# Nmap 7.94 scan initiated Mon Nov 16 20:32:13 2020 as: nmap -sO -oG - 192.0.2.10\n"
        "Host: 192.0.2.10 ()\tProtocols: 1/open//icmp/, 6/open//tcp/\tIgnored State: closed (254)\n"
        "# Nmap done at Mon Nov 16 20:33:13 2020 -- 1 IP address (1 host up) scanned in 60.00 seconds\n",
        "nmap-grepable",
    )
    assert about(batch) == [{"protocols": ["icmp", "tcp"]}]


def test_words_of_tshark_above_the_transport() -> None:
    """A name in them is the server's, and they are kept.

    Break: `_SNI` in tshark/text.py.
    """
    batch = read(
        "    1 2026-05-12 10:00:00.5  192.0.2.2 \u2192 203.0.113.80 TLSv1.2 583 Client Hello (SNI=www.example.com)\n"
        "    2 2026-05-12 10:00:00.6  192.0.2.2 \u2192 192.0.2.53 DNS 75 Standard query 0x1234 A www.example.com\n",
        "tshark-text",
    )
    assert names(batch) == {("203.0.113.80", "www.example.com")}
    assert [each["_ws_col_info"] for each in details(batch)] == [
        "Client Hello (SNI=www.example.com)",
        "Standard query 0x1234 A www.example.com",
    ]


def test_the_name_that_a_user_of_nessus_gave() -> None:
    """A target that was named is a name of its address.

    Break: the last name in reports/nessus.py.
    """
    tags = '<tag name="host-ip">192.0.2.10</tag>'
    batch = read(
        '<NessusClientData_v2><Report name="x"><ReportHost name="www.example.com">'
        f"<HostProperties>{tags}</HostProperties></ReportHost></Report></NessusClientData_v2>",
        "nessus",
    )
    assert names(batch) == {("192.0.2.10", "www.example.com")}
