"""Zeek's logs beside conn.log and ssl.log: connections, services, names, MAC addresses."""

import json
from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named, recognise
from tests.support.records import connections, details, names, rows

NOW = 1_800_000_000.0


def tsv(path: str, fields: str, types: str, *cells: str, separator: str = "\\x09") -> str:
    """Return a log as Zeek writes it."""
    head = f"#separator {separator}\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{path}\n"
    lines = ["#fields\t" + "\t".join(fields.split()), "#types\t" + "\t".join(types.split())]
    return head + "\n".join([*lines, *("\t".join(each.split(" ")) for each in cells)]) + "\n#close\t2025-10-09\n"


def read(name: str, text: str) -> Batch:
    """Recognise and read a text, which must be of a format."""
    chosen = recognise(text.encode())
    assert (chosen.name if chosen else None) == name
    batch = Batch(7, NOW, "zeek")
    named(name)().parse(text.encode(), 0, batch)
    assert batch.rejects == []
    return batch


ENDS = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p"
ENDS_TYPES = "time string addr port addr port"
CELLS = "1700000000.1 C1 192.0.2.2 40000 203.0.113.80"


@pytest.mark.parametrize(
    ("path", "port", "more", "protocol"),
    [
        ("ntp", 123, ("version", "count", "4"), "udp"),
        ("snmp", 161, ("community", "string", "public"), "udp"),
        ("quic", 443, ("server_name", "string", "www.example.com"), "udp"),
        ("sip", 5060, ("call_id", "string", "1"), "udp"),
        ("ssl", 443, ("version", "string", "TLSv12"), "tcp"),
        ("ssl", 443, ("version", "string", "DTLSv12"), "udp"),
        ("http", 80, ("method", "string", "GET"), "tcp"),
        ("ssh", 22, ("client", "string", "SSH-2.0-Go"), "tcp"),
        ("dns", 53, ("proto", "enum", "tcp"), "tcp"),
        ("weird", 80, ("name", "string", "bad_checksum"), "ip"),
        ("conn", 80, ("proto", "enum", "unknown_transport"), "ip"),
    ],
)
def test_the_kind_of_a_log_decides_the_protocol(
    path: str, port: int, more: tuple[str, str, str], protocol: str
) -> None:
    """Where no column has it; where neither has it, no protocol is made up."""
    batch = read("zeek-tsv", tsv(path, f"{ENDS} {more[0]}", f"{ENDS_TYPES} {more[1]}", f"{CELLS} {port} {more[2]}"))
    assert connections(batch) == [("192.0.2.2", 40000, "203.0.113.80", port, protocol)]
    assert rows(batch)[0][6] == "C1"


def test_type_and_code_of_icmp_are_no_ports() -> None:
    """They stand in the columns of the ports, and are kept."""
    line = {
        "ts": 1.5,
        "uid": "C",
        "id.orig_h": "192.0.2.2",
        "id.orig_p": 3,
        "id.resp_h": "203.0.113.80",
        "id.resp_p": 1,
    }
    batch = read("zeek-json", json.dumps({**line, "proto": "icmp", "conn_state": "OTH"}) + "\n")
    assert connections(batch) == [("192.0.2.2", 0, "203.0.113.80", 0, "icmp")]
    assert (details(batch)[0]["icmp_type"], details(batch)[0]["icmp_code"]) == (3, 1)


def test_columns_with_another_separator_of_scopes() -> None:
    """`Log::default_scope_sep="_"`, in TSV and in JSON, and objects instead of dots."""
    expected = [("192.0.2.2", 40000, "203.0.113.80", 443, "tcp")]
    fields = f"{ENDS} proto".replace("id.", "id_")
    assert connections(read("zeek-tsv", tsv("conn", fields, f"{ENDS_TYPES} enum", f"{CELLS} 443 tcp"))) == expected
    flat = {
        "ts": 1,
        "uid": "C",
        "id_orig_h": "192.0.2.2",
        "id_orig_p": 40000,
        "id_resp_h": "203.0.113.80",
        "id_resp_p": 443,
    }
    deep = {"ts": 1, "id": {"orig_h": "192.0.2.2", "orig_p": 40000, "resp_h": "203.0.113.80", "resp_p": 443}}
    for record in (flat, deep):
        assert connections(read("zeek-json", json.dumps({**record, "proto": "tcp"}) + "\n")) == expected


def test_everything_a_line_has_is_kept() -> None:
    """But secrets, and what is in columns of the ledger."""
    line: dict[str, Any] = {"ts": 1, "uid": "C", "id.orig_h": "192.0.2.2", "id.resp_h": "203.0.113.80", "_path": "http"}
    batch = read(
        "zeek-json", json.dumps({**line, "method": "GET", "user_agent": "x", "password": "secret", "tags": []}) + "\n"
    )
    assert details(batch) == [{"http": [{"method": "GET", "user_agent": "x", "tags": []}]}]


def test_services_seen_in_traffic_are_ports() -> None:
    """known_services and software: with product and version, and no leave to probe."""
    text = tsv(
        "known_services",
        "ts host port_num port_proto service",
        "time addr port enum set[string]",
        "1700000000.1 192.0.2.10 22 tcp SSH",
        "1700000000.1 192.0.2.10 443 tcp HTTP,SSL",
        "1700000000.1 192.0.2.10 161 udp SNMP",
        "1700000000.1 192.0.2.10 9999 tcp -",
    )
    batch = read("zeek-tsv", text)
    found = [(each.port, each.protocol, each.service, each.seen_in_traffic) for each in batch.banners]
    assert found == [(22, "tcp", "ssh", True), (443, "tcp", "https", True), (161, "udp", "snmp", True)]
    assert batch.records == 4
    fields = "ts host host_p software_type name version.major version.minor version.minor2 version.minor3 version.addl unparsed_version"
    text = tsv(
        "software",
        fields,
        "time addr port enum string count count count count string string",
        "1 192.0.2.10 22 SSH::SERVER OpenSSH 8 9 - - p1 OpenSSH_8.9p1",
        "1 192.0.2.2 - HTTP::BROWSER Firefox 118 0 - - Linux Mozilla/5.0",
    )
    batch = read("zeek-tsv", text)
    server = batch.banners[0]
    assert (server.port, server.service, server.product, server.version) == (22, "ssh", "OpenSSH", "8.9p1")
    browser = batch.discoveries[1]
    assert browser[1:4] == ("192.0.2.2", "ip", 0)
    assert json.loads(browser[-1])["software"] == "Firefox"


def test_names_are_those_of_the_host_that_has_them() -> None:
    """An answer of the DNS names the address in it, a request through a proxy does not name the proxy."""
    dns = f"{ENDS} proto query answers"
    kinds = f"{ENDS_TYPES} enum string vector[string]"
    batch = read(
        "zeek-tsv",
        tsv(
            "dns",
            dns,
            kinds,
            f"{CELLS} 53 udp www.example.com web.example.net,203.0.113.7,2001:db8::7",
            f"{CELLS} 53 udp 80.113.0.203.in-addr.arpa host.example.org",
        ),
    )
    assert names(batch) == {
        ("203.0.113.7", "www.example.com", "dns"),
        ("2001:db8::7", "www.example.com", "dns"),
        ("203.0.113.80", "host.example.org", "ptr"),
    }
    http = f"{ENDS} method host uri"
    kinds = f"{ENDS_TYPES} string string string"
    plain = f"{CELLS} 80 GET www.example.com:80 /index.html"
    assert names(read("zeek-tsv", tsv("http", http, kinds, plain))) == {("203.0.113.80", "www.example.com", "zeek")}
    for uri in ("http://www.example.com/", "www.example.com:443"):
        assert names(read("zeek-tsv", tsv("http", http, kinds, f"{CELLS} 3128 GET www.example.com {uri}"))) == set()


def test_dhcp_has_the_mac_address_of_the_host_that_got_the_lease() -> None:
    """And its name; a question without an answer is about no host yet."""
    fields = "ts uids client_addr server_addr mac host_name client_fqdn domain assigned_addr msg_types"
    types = "time set[string] addr addr string string string string addr vector[string]"
    text = tsv(
        "dhcp",
        fields,
        types,
        "1 C1,C2 0.0.0.0 192.0.2.1 00:00:5E:00:53:07 laptop - example.com 192.0.2.7 DISCOVER,OFFER,REQUEST,ACK",
        "2 C3 - - 00:00:5e:00:53:08 - - - - DISCOVER",
    )
    batch = read("zeek-tsv", text)
    assert [(each.address, each.mac) for each in batch.hardware_addresses] == [("192.0.2.7", "00:00:5e:00:53:07")]
    assert names(batch) == {("192.0.2.7", "laptop.example.com", "dhcp")}
    assert (batch.ignored, batch.records) == (1, 2)


def test_the_version_of_ssh_is_a_fact_of_the_server() -> None:
    """As its banner would be, had we read it."""
    line = {"ts": 1, "uid": "C", "id.orig_h": "192.0.2.2", "id.resp_h": "203.0.113.80", "id.resp_p": 22}
    batch = read("zeek-json", json.dumps({**line, "server": "SSH-2.0-OpenSSH_9.6p1", "auth_attempts": 1}) + "\n")
    found = batch.banners[0]
    assert (found.address, found.port, found.banner) == ("203.0.113.80", 22, b"SSH-2.0-OpenSSH_9.6p1")
    assert found.seen_in_traffic
    assert batch.records == 1


def test_logs_about_no_host_are_ignored() -> None:
    """Zeek writes about itself too."""
    batch = read("zeek-tsv", tsv("reporter", "ts level message", "time enum string", "1 Reporter::INFO hello"))
    assert (batch.ignored, batch.records) == (1, 1)
