"""Records as tools really write them: each fact of a line is where it belongs, and nothing is dropped without a word."""

import json
from typing import Any

import pytest

from tests.support.reading import Row, connections, details, lines, names, ports, read, services
from tests.support.rows import connection_rows

ENDS = {"src_ip": "192.0.2.2", "src_port": 50000, "dest_ip": "203.0.113.80", "dest_port": 443, "proto": "TCP"}
BACK = {"src_ip": "203.0.113.80", "src_port": 443, "dest_ip": "192.0.2.2", "dest_port": 50000, "proto": "TCP"}


def event(kind: str, ends: Row = ENDS, **parts: Any) -> Row:
    """Return an event of EVE."""
    base = {"timestamp": "2026-05-13T06:52:29.000000+0000", "flow_id": 5, "event_type": kind}
    return {**base, **ends, **parts}


# Suricata ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_the_two_halves_of_netflow_are_one_connection_of_the_client(order: int) -> None:
    """Netflow has a record for each direction: that of the server does not make it the client.

    Break: netflow among the flows in suricata/eve.py.
    """
    halves = [event("netflow", ends, netflow={"pkts": 3, "bytes": size}) for ends, size in ((ENDS, 100), (BACK, 900))]
    batch = read(lines(*halves[::order]))
    assert connections(batch) == [("192.0.2.2", 50000, "203.0.113.80", 443, "tcp")]
    counted = {each["src_ip"]: each["bytes"] for each in details(batch)[0]["netflow"]}
    assert counted == {"192.0.2.2": 100, "203.0.113.80": 900}


def test_parts_beside_an_events_own_are_kept_and_used() -> None:
    """The request of a file or an alert, an HTTP/2 request, a mail: names, the server's software and details."""
    batch = read(
        lines(
            event("fileinfo", BACK, fileinfo={"filename": "/a"}, http={"hostname": "f.example.com", "url": "/a"}),
            event("alert", alert={"signature_id": 1}, tls={"sni": "t.example.com"}, direction="to_server"),
            event("http2", http={"request_headers": [{"name": ":authority", "value": "h.example.com"}]}),
            event("http", http={"url": "/", "response_headers": [{"name": "Server", "value": "nginx/1.18.0"}]}),
            event("smtp", smtp={"helo": "x"}, email={"subject": "hello"}),
        )
    )
    assert names(batch) == {("203.0.113.80", f"{each}.example.com") for each in "fth"}
    assert services(batch) == {("203.0.113.80", 443): ("http", "nginx", "1.18.0")}
    (kept,) = details(batch)
    assert kept["email"] == [{"subject": "hello"}]
    assert kept["fileinfo"] == [{"filename": "/a"}]


def test_secrets_of_a_request_are_not_kept() -> None:
    """Passwords of FTP, cookies and authorisation of HTTP; what a server sets is none."""
    headers = [{"name": name, "value": "secret"} for name in ("Cookie", "Authorization", "Proxy-Authorization")]
    batch = read(
        lines(
            event("ftp", ftp={"command": "PASS", "command_data": "secret"}),
            event("http", http={"hostname": "a", "request_headers": headers, "cookie": "secret"}),
        )
    )
    assert "secret" not in json.dumps(details(batch))
    assert "Authorization" in json.dumps(details(batch))


def test_an_answer_of_arp_is_a_host_with_its_address() -> None:
    """Suricata 8 logs ARP: the sender of an answer is up, and its MAC address is known."""
    arp = {"opcode": "reply", "src_ip": "192.168.1.1", "src_mac": "1a:10:9b:00:00:01", "dest_ip": "192.168.1.2"}
    base = {"timestamp": "2026-05-13T06:52:29.000000+0000", "event_type": "arp"}
    batch = read(lines({**base, "arp": arp}, {**base, "arp": {**arp, "opcode": "request"}}))
    assert ports(batch) == [("192.168.1.1", "ip", 0)]
    assert [(each.address, each.mac) for each in batch.hardware_addresses] == [("192.168.1.1", "1a:10:9b:00:00:01")]
    assert batch.ignored == 1


# Zeek ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1_000, 1_000_000, 1_000_000_000])
def test_times_in_smaller_units_than_seconds(factor: int) -> None:
    """Zeek's TS_MILLIS, and what sends logs to databases: a number past the year 9999 is no count of seconds."""
    ends = {"id.orig_h": "192.0.2.2", "id.orig_p": 1, "id.resp_h": "192.0.2.3", "id.resp_p": 2, "proto": "tcp"}
    batch = read(lines({"ts": 1_582_751_301 * factor, "uid": "C1", **ends}))
    assert [row[1] for row in connection_rows(batch)] == [1_582_751_301.0]


@pytest.mark.parametrize(
    ("path", "columns", "protocol"),
    [
        ("tunnel", {"tunnel_type": "Tunnel::TEREDO"}, "udp"),
        ("ldap", {"opcode": "bind"}, "tcp"),
        ("wireguard", {}, "udp"),
        ("modbus_detailed", {}, "tcp"),
        ("bacnet_discovery", {}, "udp"),
    ],
)
def test_a_log_without_a_protocol_has_that_of_what_it_is_about(path: str, columns: Row, protocol: str) -> None:
    """The logs of packages and of newer versions, too."""
    ends = {"id.orig_h": "192.0.2.2", "id.orig_p": 1, "id.resp_h": "192.0.2.3", "id.resp_p": 2}
    batch = read(lines({"_path": path, "ts": 1.0, "uid": "C1", **ends, **columns}))
    assert connections(batch)[0][4] == protocol


def test_numbers_in_a_vector_stay_numbers() -> None:
    """The times to live of answers."""
    ends = {"id.orig_h": "192.0.2.2", "id.orig_p": 1, "id.resp_h": "192.0.2.3", "id.resp_p": 53}
    batch = read(lines({"_path": "dns", "ts": 1.0, "uid": "C1", **ends, "TTLs": [3.0, 7.5]}))
    assert details(batch)[0]["dns"][0]["TTLs"] == [3.0, 7.5]


@pytest.mark.parametrize(
    ("kind", "part"), [("dns", {"dns": {"type": "answer"}}), ("dhcp", {"dhcp": {"dhcp_type": "ack"}}), ("krb5", {})]
)
def test_an_event_that_is_written_as_the_packet_of_an_answer_is_the_clients(kind: str, part: Row) -> None:
    """DNS up to Suricata 6, DHCP, Kerberos and others have the sender of the packet as source: an answer's is the server.

    Break: events of these kinds in `_FROM_CLIENT` of suricata/eve.py.
    """
    back = {"src_ip": "192.0.2.53", "src_port": 53, "dest_ip": "192.0.2.2", "dest_port": 50000, "proto": "UDP"}
    batch = read(lines(event(kind, back, **part)))
    assert connections(batch) == [("192.0.2.2", 50000, "192.0.2.53", 53, "udp")]


def test_a_question_goes_to_the_server_whatever_its_ports() -> None:
    """A question of DNS is the client's, also from a port below 53."""
    ends = {"src_ip": "192.0.2.2", "src_port": 20, "dest_ip": "192.0.2.53", "dest_port": 53, "proto": "UDP"}
    batch = read(lines(event("dns", ends, dns={"type": "query", "rrname": "example.com"})))
    assert connections(batch) == [("192.0.2.2", 20, "192.0.2.53", 53, "udp")]


@pytest.mark.parametrize(
    ("columns", "protocol"),
    [
        ({"method": "REGISTER", "call_id": "1@x", "user_agent": "phone"}, "udp"),
        ({"method": "REGISTER", "response_path": ["SIP/2.0/UDP"], "user_agent": "phone"}, "udp"),
        ({"version": 5, "request_p": 443, "bound_p": 0}, "tcp"),
        ({"cmd": "query", "arg": "select 1"}, "tcp"),
        ({"username": "x", "framed_addr": "10.0.0.1"}, "udp"),
        ({"command": "RETR", "reply_code": 226}, "tcp"),
    ],
)
def test_a_line_of_json_without_a_path_is_known_by_its_columns(columns: Row, protocol: str) -> None:
    """SIP has a method, and is no HTTP.

    Break: the order or the rows of `_SIGNS` in zeek/logs.py.
    """
    ends = {"id.orig_h": "192.0.2.2", "id.orig_p": 5060, "id.resp_h": "203.0.113.9", "id.resp_p": 5060}
    batch = read(lines({"ts": 1.5, "uid": "C1", **ends, **columns}))
    assert connections(batch) == [("192.0.2.2", 5060, "203.0.113.9", 5060, protocol)]


@pytest.mark.parametrize("order", [1, -1])
def test_a_log_that_does_not_know_the_protocol_does_not_decide_it(order: int) -> None:
    """intel.log has no protocol: what ssl.log reports of the same connection counts, though it is later.

    Break: the authority of a line without a protocol in zeek/logs.py.
    """
    ends = {"uid": "C1", "id.orig_h": "192.0.2.2", "id.orig_p": 50000, "id.resp_h": "203.0.113.9", "id.resp_p": 443}
    records = [
        {"ts": 1.5, **ends, "seen.indicator": "x"},
        {"ts": 2.5, **ends, "cipher": "TLS_AES", "established": True},
    ]
    batch = read(lines(*records[::order]))
    assert connections(batch) == [("192.0.2.2", 50000, "203.0.113.9", 443, "tcp")]


def test_known_certs_alone_is_one_of_zeeks() -> None:
    """Its lines have a port and no protocol.

    Break: `port_proto` among the columns of zeek/json_.py.
    """
    batch = read(
        lines({"ts": 1.5, "host": "192.0.2.2", "port_num": 443, "subject": "CN=a.example.com", "serial": "98"})
    )
    assert [row[1:4] for row in batch.discoveries] == [("192.0.2.2", "tcp", 443)]


@pytest.mark.parametrize("key", ["_source", "result"])
def test_exports_of_elasticsearch_and_splunk(key: str) -> None:
    """Elasticsearch keeps the line as an object, Splunk as text in one; a packet of tshark stays what it is.

    Break: `unwrapped` in json_text.py.
    """
    inner = event("flow", flow={})
    record = {"_index": "x", key: inner} if key == "_source" else {"preview": False, key: {"_raw": json.dumps(inner)}}
    assert connections(read(lines(record), "suricata-eve")) == [("192.0.2.2", 50000, "203.0.113.80", 443, "tcp")]
    layers = {"ip": {"ip.src": "192.0.2.2", "ip.dst": "203.0.113.9", "ip.proto": "1"}}
    assert connections(read(lines({"_source": {"layers": layers}}), "tshark-json"))[0][4] == "icmp"


def test_a_log_of_zeek_with_blanks_for_its_tabs() -> None:
    """As it is when it was copied from a terminal: the path, the columns and what is unset are read all the same.

    Break: the separator of a blank in zeek/tsv.py.
    """
    log = (
        "#separator \\x09\n#set_separator ,\n#unset_field -\n#path ssl\n#fields ts uid id.orig_h id.orig_p id.resp_h id.resp_p "
        "version server_name\n#types time string addr port addr port string string\n"
        "1760000000.3    C1  192.0.2.2   50000   203.0.113.80    443 - a.example.com\n"
    )
    batch = read(log, "zeek-tsv")
    assert connections(batch) == [("192.0.2.2", 50000, "203.0.113.80", 443, "tcp")]
    assert names(batch) == {("203.0.113.80", "a.example.com")}


def test_wiresharks_export_as_csv() -> None:
    """The columns of its list of packets; the SYN shows who spoke first.

    Break: `_row` in tshark/text.py.
    """
    head = '"No.","Time","Source","Destination","Protocol","Length","Info"\n'
    info = "3000  >  5001 [SYN] Seq=0 Win=64240 Len=0"
    batch = read(f'{head}"1","0.000000","192.0.2.2","203.0.113.9","TCP","74","{info}"\n', "tshark-text")
    assert connections(batch) == [("192.0.2.2", 3000, "203.0.113.9", 5001, "tcp")]
    assert not batch.rejects


@pytest.mark.parametrize(
    "columns",
    [{"fuid": "F1"}, {"sig_id": "x"}, {"id": "F1", "hashAlgorithm": "sha1"}, {"acks": 1, "percent_lost": 0.0}],
)
def test_logs_of_zeek_about_no_connection_are_known_as_such(columns: Row) -> None:
    """Given alone as JSON, they are ignored and counted, as they are as TSV or between others.

    Break: their columns in zeek/json_.py, or in `_SIGNS` of zeek/logs.py.
    """
    batch = read(lines({"ts": 1.5, **columns}), "zeek-json")
    assert (batch.records, batch.rejects) == (1, [])


@pytest.mark.parametrize(
    ("separator", "quote"), [(",", '"'), (",", ""), ("\t", ""), (";", "'")], ids=["quoted", "comma", "tab", "semicolon"]
)
@pytest.mark.parametrize(("zone", "when"), [("UTC", 1793982382.5), ("CET", 1793978782.5)])
def test_the_time_that_tshark_prints_for_people(separator: str, quote: str, zone: str, when: float) -> None:
    """`-e frame.time` has a comma and a zone, and no quotes unless asked: every packet was refused.

    Break: `_DATE` in tshark/packets.py, or the extra cell in tshark/fields.py.
    """
    cells = [f"Nov  6, 2026 16:26:22.500000000 {zone}", "192.0.2.5", "203.0.113.9", "40000", "50001", "0x0002"]
    head = separator.join(["frame.time", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.flags"])
    batch = read(f"{head}\n{separator.join(f'{quote}{each}{quote}' for each in cells)}\n", "tshark-fields")
    assert batch.rejects == []
    assert connections(batch) == [("192.0.2.5", 40000, "203.0.113.9", 50001, "tcp")]
    assert connection_rows(batch)[0][1] == when


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "2,1764151200.6,203.0.113.9,192.0.2.5,50001,40000,\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7A\u00b7\u00b7S\u00b7\n",
    ],
)
@pytest.mark.parametrize(
    "letters", ["\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7S\u00b7", "***A******S*", "S\u00b7"]
)
def test_the_flags_that_tshark_prints_as_letters(letters: str, answer: str) -> None:
    """`-e tcp.flags.str`: a SYN is the client's, whichever port is lower. An A before ECN's letters is no ACK.

    Break: `letters` in tshark/packets.py.
    """
    head = "frame.number,frame.time_epoch,ip.src,ip.dst,tcp.srcport,tcp.dstport,tcp.flags.str\n"
    batch = read(f"{head}1,1764151200.5,192.0.2.5,203.0.113.9,40000,50001,{letters}\n{answer}", "tshark-fields")
    assert connections(batch) == [("192.0.2.5", 40000, "203.0.113.9", 50001, "tcp")]
    assert "direction" not in details(batch)[0]


def test_fields_that_hold_both_ends() -> None:
    """`-e ip.addr -e tcp.port`: the source's come first. The packets were left out without a word.

    Break: `_with_ends` in tshark/packets.py.
    """
    head = "frame.time_epoch\tip.addr\tipv6.addr\ttcp.port\tudp.port\n"
    rows = (
        "1764151200.5\t192.0.2.5,203.0.113.9\t\t40000,443\t\n",
        "1764151200.6\t\t2001:db8::5,2001:db8::9\t\t50000,53\n",
        "1764151200.7\t192.0.2.5\t\t40000\t\n",
    )
    batch = read(head + "".join(rows), "tshark-fields")
    assert connections(batch) == [
        ("192.0.2.5", 40000, "203.0.113.9", 443, "tcp"),
        ("2001:db8::5", 50000, "2001:db8::9", 53, "udp"),
    ]
    assert [row[2] for row in batch.rejects] == ["destination is missing"]


@pytest.mark.parametrize("names_of_columns", ["_ws.col.Source,_ws.col.Destination", "_ws.col.def_src,_ws.col.def_dst"])
def test_the_columns_for_people_as_fields(names_of_columns: str) -> None:
    """`-e _ws.col.Source`: as in Wireshark's window, also beside other fields. They were not recognised.

    Break: `_with_columns` in tshark/fields.py.
    """
    batch = read(
        f"_ws.col.No.,_ws.col.Time,{names_of_columns},_ws.col.Protocol,_ws.col.Length,_ws.col.Info,http.user_agent\n"
        '"1","0.0","192.0.2.5","203.0.113.9","TCP","74","40000 \u2192 50001 [SYN] Seq=0, Len=0",\n'
        '"2","0.1","203.0.113.9","192.0.2.5","TCP","74","50001 \u2192 40000 [SYN, ACK] Seq=0",\n'
        '"3","0.2","02:00:00:00:00:01","Broadcast","ARP","42","Who has 192.0.2.5? Tell 192.0.2.6",\n'
        '"4","1764151200.5","192.0.2.5","192.0.2.53","DNS","42","Standard query 0x1 A x.example.com",\n',
        "tshark-fields",
    )
    assert connections(batch) == [
        ("192.0.2.5", None, "192.0.2.53", 0, "ip"),
        ("192.0.2.5", 40000, "203.0.113.9", 50001, "tcp"),
    ]
    assert connection_rows(batch)[0][1] == 1764151200.5
    assert (batch.ignored, batch.rejects) == (1, [])
