"""Input as it really comes: marks of editors, mixed outputs, other columns, versions old and new."""

import inspect
import json
import struct
from typing import Any

import pytest

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import LONGEST_TEXT, Batch
from cobalt_tasks.ingest.formats import FORMATS, advice, named, recognise
from cobalt_tasks.ingest.formats.base import Format
from tests.support.waiting import assert_linear

NOW = 1_800_000_000.0
STATUS = '{ "ip": "192.0.2.10", "timestamp": "1", "ports": [ {"port": 443, "proto": "tcp", "status": "open"} ] }'
SPOKEN = "Discovered open port 80/tcp on 192.0.2.11     "


def read(name: str, data: str | bytes) -> Batch:
    """Read input that must be recognised as the format it is."""
    raw = data.encode() if isinstance(data, str) else data
    chosen = recognise(raw)
    assert (chosen.name if chosen else None) == name
    batch = Batch(7, NOW, "tool")
    named(name)().parse(raw, 0, batch)
    return batch


def ports(batch: Batch) -> list[tuple[Any, ...]]:
    """Return discoveries as (address, protocol, port)."""
    return [row[1:4] for row in batch.discoveries]


@pytest.mark.parametrize("each", FORMATS)
def test_every_format_has_all_it_needs(each: type[Format]) -> None:
    """A format that lacks a method could not be made at all."""
    assert not inspect.isabstract(each)
    assert each().split(b"") == 0


def test_what_is_no_format_is_told_what_to_do() -> None:
    """UTF-16 and compressed pipes have a remedy of their own."""
    text = '{"type": "heartbeat"}'
    assert "iconv" in advice(("\ufeff" + text).encode("utf-16-le"))
    assert "iconv" in advice(("\ufeff" + text).encode("utf-16-be"))
    assert "compressed" in advice(b"\x1f\x8b\x08")
    assert "--format" in advice(b"hello\n")


@pytest.mark.parametrize(
    "text", [f"{SPOKEN}\n{SPOKEN}\n[\n{STATUS}\n]\n", f"[\n{STATUS}\n,\n{STATUS}\n,\n{SPOKEN}\n]\n"]
)
def test_masscan_mixes_what_it_prints_for_people_with_json(text: str) -> None:
    """--interactive with -oJ -: whatever comes first, both are read."""
    batch = Batch(7, NOW)
    chosen = recognise(text.encode())
    assert chosen is not None
    chosen().parse(text.encode(), 0, batch)
    assert set(ports(batch)) == {("192.0.2.10", "tcp", 443), ("192.0.2.11", "tcp", 80)}
    assert batch.rejects == []


def test_a_line_of_many_records_is_known() -> None:
    """Other programs write the whole array on one line."""
    text = json.dumps([json.loads(STATUS), json.loads(STATUS.replace("443", "444"))])
    assert [each[2] for each in ports(read("masscan-json", text))] == [443, 444]


def test_progress_before_a_line_is_no_part_of_it() -> None:
    """2>&1: progress ends in a carriage return, and the terminal shows what comes after it."""
    noise = "Starting masscan 1.3.2 (http://bit.ly/14GZzcT) at 2025-10-09 08:53:20 GMT\nInitiating SYN Stealth Scan\n"
    batch = read("masscan-text", f"{noise}rate: 0.1-kpps\rrate: 0.2-kpps     \r{SPOKEN}\nrate: 1\r{STATUS}\n")
    assert ports(batch) == [("192.0.2.11", "tcp", 80), ("192.0.2.10", "tcp", 443)]
    assert (batch.ignored, batch.rejects) == (2, [])


def test_a_banner_between_json_keeps_its_brackets() -> None:
    """Only what stands around JSON is stripped."""
    batch = read("masscan-json", f"[\n{STATUS}\n,\nBanner on port 80/tcp on 192.0.2.11: [title] Hello [world]\n]\n")
    assert batch.banners[0].banner == b"Hello [world]"


@pytest.mark.parametrize("lines", [1, 3])
def test_unicornscan_form(lines: int) -> None:
    """-oU begins as a list does, says what is closed, and has the grepable form for what is not TCP."""
    tcp = "TCP open\t           https[  443]\t\tfrom 192.0.2.10  ttl 54 \n" * lines
    batch = read("masscan-text", f"#masscan\n{tcp}# end\n")
    assert set(ports(batch)) == {("192.0.2.10", "tcp", 443)}
    closed = tcp.replace("open", "closed")
    mixed = f"#masscan\n{tcp}{closed}Host: 192.0.2.11 ()\tPorts: 53/open/udp////\n# end\n"
    for name in ("masscan-text", "masscan-list"):
        batch = Batch(7, NOW)
        named(name)().parse(mixed.encode(), 0, batch)
        assert set(ports(batch)) == {("192.0.2.10", "tcp", 443), ("192.0.2.11", "udp", 53)}
        assert (batch.ignored, batch.rejects) == (lines, [])


def test_old_grepable_lines_are_known_without_their_header() -> None:
    """A piece of a file of an old version has no time stamps; nmap's lines are still nmap's."""
    read("masscan-grepable", "Host: 192.0.2.10 ()\tPorts: 443/open/tcp//https//\n")
    read("nmap-grepable", "Host: 192.0.2.10 ()\tPorts: 443/open/tcp//https///\n")


def test_a_version_with_a_comma_is_one_port() -> None:
    """Nmap escapes slashes and no commas."""
    line = "Host: 192.0.2.10 ()\tPorts: 80/open/tcp//http//Apache (CentOS, PHP 5)/, 443/open/tcp//https///\n"
    batch = read("nmap-grepable", line)
    assert [each[2] for each in ports(batch)] == [80, 443]
    assert batch.banners[0].banner == b"Apache (CentOS, PHP 5)"


def test_a_host_without_ports_is_counted() -> None:
    """A ping scan has hosts and nothing else: one that is up is a host."""
    host = '<host><status state="up"/><address addr="192.0.2.10" addrtype="ipv4"/></host>'
    batch = read("nmap-xml", f'<nmaprun scanner="nmap">\n{host}\n</nmaprun>')
    assert [row[1:4] for row in batch.discoveries] == [("192.0.2.10", "ip", 0)]
    down = read("nmap-xml", f'<nmaprun scanner="nmap">\n{host.replace("up", "down")}\n</nmaprun>')
    assert (down.ignored, down.records) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "body", "extra", "port", "protocol", "banner"),
    [
        (3, struct.pack(">IIHH", 1, 0xC000020A, 53, 2) + b"SSH-2.0-a", 0, 53, "tcp", b"SSH-2.0-a"),
        (4, struct.pack(">IIBHH", 1, 0xC000020A, 6, 22, 2) + b"SSH-2.0-b", 1, 22, "tcp", b"SSH-2.0-b"),
        (5, struct.pack(">IIBHH", 1, 0xC000020A, 17, 53, 6) + b"9.18", 0, 53, "udp", b"9.18"),
        (1, struct.pack(">IIHBB", 1, 0xC000020A, 36412, 0, 54), 0, 36412, "sctp", None),
    ],
)
def test_the_oldest_binary_records(  # noqa: PLR0917
    kind: int, body: bytes, extra: int, port: int, protocol: str, banner: bytes | None
) -> None:
    """As masscan's own reader takes them; the length of one type does not count its last byte."""
    frame = b"masscan/1.1\n".ljust(99, b"\0")
    record = bytes([kind, len(body) - extra]) + body
    batch = read("masscan-binary", frame + record + record + frame)
    assert ports(batch) == [("192.0.2.10", protocol, port)] * 2
    assert [each.banner for each in batch.banners] == ([banner] * 2 if banner else [])
    assert batch.rejects == []


def test_zmap_has_columns_of_each_probe_module() -> None:
    """The header is known by its address column, not by a list of names."""
    batch = read("zmap-csv", "saddr,sport,tcpopt_wscale,icmp_id\n192.0.2.1,443,7,3\n")
    assert ports(batch) == [("192.0.2.1", "tcp", 443)]


def test_naabu_addresses_with_ports_are_no_zmap_addresses() -> None:
    """Every such IPv6 line would be an address by itself; one without a port is zmap's."""
    batch = read("naabu-text", "2001:db8::25:80\n2001:db8::26:443\n")
    assert ports(batch) == [("2001:db8::25", "tcp", 80), ("2001:db8::26", "tcp", 443)]
    assert recognise(b"2001:db8::25\n2001:db8::26:443\n") is named("zmap-csv")
    assert ports(read("naabu-text", "192.0.2.1:443 [cloudflare]\n")) == [("192.0.2.1", "tcp", 443)]


def test_naabu_json_of_newer_versions() -> None:
    """What it always writes tells it, whatever is beside it; an address with a port alone is nobody's log."""
    line = {"ip": "192.0.2.10", "port": 443, "protocol": "tcp", "tls": True, "service": {"name": "https"}}
    assert ports(read("naabu-json", json.dumps(line))) == [("192.0.2.10", "tcp", 443)]
    assert recognise(b'{"ip": "192.0.2.10", "port": 51234, "message": "GET /"}') is None


def test_zeek_may_write_nothing_for_what_is_unset() -> None:
    """Empty cells at the ends of a line are cells."""
    head = "#separator \\x09\n#unset_field\t\n#fields\tts\tuid\tid.orig_h\tid.resp_h\tproto\tservice\n"
    batch = read(
        "zeek-tsv", head + "1\tCa\t192.0.2.2\t203.0.113.80\ttcp\t\r\n\tCb\t192.0.2.2\t203.0.113.80\ttcp\thttp\n"
    )
    assert (len(batch.identified), batch.rejects) == (2, [])


def test_tshark_fields_of_any_name() -> None:
    """Columns of the display and names without dots; an empty first column is one."""
    head = "ipv6.src\tip.src\tip.dst\ttcp.dstport\t_ws.col.Protocol\tdata\n"
    batch = read("tshark-fields", head + "\t192.0.2.2\t203.0.113.80\t443\tTCP\t\r\n")
    assert [(row[3], row[5], row[6]) for row in batch.observations] == [("192.0.2.2", "203.0.113.80", 443)]


def test_tshark_ek_with_numbers() -> None:
    """Ports may be numbers as well as text."""
    layers = {"ip": {"ip_ip_src": "192.0.2.2", "ip_ip_dst": "203.0.113.80"}, "tcp": {"tcp_tcp_dstport": 443}}
    batch = read("tshark-ek", json.dumps({"timestamp": "1760000000123", "layers": layers}))
    assert [(row[6], row[7]) for row in batch.observations] == [(443, "tcp")]


def test_ss_names_the_interface_after_the_bracket() -> None:
    """iproute2 prints [address]%interface:port."""
    batch = read("ss", "tcp   ESTAB  0  0  [fe80::2]%eth0:546  [fe80::1]%eth0:443\n")
    assert [(row[3], row[5]) for row in batch.observations] == [("fe80::2", "fe80::1")]


def test_details_are_always_json() -> None:
    """What is too long is left out, and that is said."""
    said = {"short": 1, "long": "y" * LONGEST_TEXT, "after": 2}
    told = values.details(said)
    assert told is not None
    assert len(told) <= LONGEST_TEXT
    assert json.loads(told) == {"cut": True, "short": 1}
    assert values.details({}) is None


def test_a_module_that_succeeded_names_the_service() -> None:
    """With words to show for it or without; one that failed to say anything names nothing."""
    said: dict[str, Any] = {
        "postgres": {"status": "success", "port": 5432, "result": {"supported_versions": "FATAL"}},
        "mongodb": {"status": "success", "port": 27017, "result": {"build_info": {"version": "4.4.1"}}},
        "smb": {"status": "success", "port": 445, "result": {"smbv1_support": False}},
        "ssh": {"status": "protocol-error", "port": 22},
    }
    batch = read("zgrab2", json.dumps({"ip": "192.0.2.10", "data": said}))
    told = [(each.port, each.service, each.banner) for each in batch.banners]
    assert told == [(5432, "postgres", b"FATAL"), (27017, "mongodb", b"4.4.1"), (445, "smb", b"")]
    assert len(batch.discoveries) == 4


def test_tlsx_says_that_a_port_speaks_tls() -> None:
    """On any port: a certificate job follows from that, as from any banner that turns out to be TLS."""
    line = {"ip": "192.0.2.10", "port": "993", "probe_status": True, "tls_version": "tls13", "cipher": "TLS_AES_128"}
    batch = read("tlsx", json.dumps(line))
    assert [(each.service, each.banner) for each in batch.banners] == [("ssl", b"tls13 TLS_AES_128")]


def test_httpx_has_the_address_among_those_it_resolved() -> None:
    """Without host_ip, the first of its A records."""
    line = {"url": "http://www.example.com", "input": "www.example.com", "host": "www.example.com", "port": "80"}
    batch = read("httpx", json.dumps({**line, "a": ["192.0.2.77"], "status_code": 200}))
    assert ports(batch) == [("192.0.2.77", "tcp", 80)]


@pytest.mark.parametrize("each", FORMATS)
@pytest.mark.parametrize("token", [b"<host ", b"<host>", b" [", b"},{", b", 1", b"a:", b'"', b"1:", b"Discovered "])
def test_no_line_takes_long(each: type[Format], token: bytes) -> None:
    """A quarter of a MiB of what a pattern looks for: the time grows with the length, not with its square."""
    assert_linear(lambda size: each().parse(token * (size // len(token)), 0, Batch(1, NOW)), 1 << 18)
