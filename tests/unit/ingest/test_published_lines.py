"""What published files of tools taught: lines of forms that no example of the tool's own documentation has."""

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import advice, recognise
from cobalt_tasks.ingest.formats.nmap.xml_ import NmapXml
from tests.support.reading import connections, lines, names, read, services


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("SPT=33197 DPT=62201", ("192.0.2.9", 33197, "192.0.2.5", 62201, "udp")),
        ("SPT=62201 DPT=33197", ("192.0.2.9", 62201, "192.0.2.5", 33197, "udp")),
        ("SPT=53 DPT=40000", ("192.0.2.5", 40000, "192.0.2.9", 53, "udp")),
    ],
)
def test_a_packet_between_two_high_ports_is_no_answer(ports: str, expected: tuple[object, ...]) -> None:
    """A firewall logs one packet: its sender opened the connection unless it answers from a server's port.

    Break: `_FIRST_EPHEMERAL` in values.py.
    """
    line = f"Feb  9 20:55:06 gw kernel: [13626.5] IN=lo OUT= SRC=192.0.2.9 DST=192.0.2.5 LEN=189 PROTO=UDP {ports} LEN=169\n"
    assert connections(read(line, "iptables")) == [expected]


def test_other_files_that_lsof_lists_are_no_rejects() -> None:
    """Without -i it lists each open file: those are ignored, and the sockets between them are read.

    Break: `_OTHER_FILE` in sockets/lsof.py.
    """
    text = (
        "COMMAND     PID   TID   USER   FD      TYPE  DEVICE SIZE/OFF  NODE NAME\n"
        "systemd       1         root  cwd       DIR     8,2     4096     2 /\n"
        "sshd       1127         root    3u     IPv4   30163      0t0   TCP *:22 (LISTEN)\n"
        "sshd       1200  1303   root    1u     unix 0xffff9      0t0 20341 type=STREAM\n"
        "sshd       1200         root NOFD                                  /proc/1200/fd (opendir: Permission denied)\n"
        "sshd       1200         root    3u     IPv4   30166      0t0   TCP 192.0.2.5:22->192.0.2.9:50000 (ESTABLISHED)\n"
        "sshd       1201         root    3u     IPv4   30166      0t0   somewhere\n"
    )
    batch = read(text, "lsof")
    assert connections(batch) == [("192.0.2.9", 50000, "192.0.2.5", 22, "tcp")]
    assert (batch.ignored, [each[2] for each in batch.rejects]) == (4, ["no line of lsof -i"])


def test_routes_to_neighbours_are_no_scan() -> None:
    """Netstat -rn of macOS has MAC addresses for gateways: none of its hosts answered a scan, and advice is printed.

    Break: `ArpScan.score`.
    """
    table = (
        b"Routing tables\n\nInternet:\n"
        b"Destination        Gateway            Flags        Refs      Use   Netif Expire\n"
        b"default            192.0.2.1          UGSc           85       24     en0\n"
        b"192.0.2.7          00:00:5e:00:53:01  UHLWIi          1     6123     en0   1181\n"
    )
    assert recognise(table) is None
    assert "netstat -an" in advice(table)


def test_the_header_of_netstat_with_control_blocks() -> None:
    """BSD's -A puts a column before the others, also in the header, which is no record."""
    text = (
        "Active Internet connections (including servers)\n"
        "Tcpcb            Proto Recv-Q Send-Q Local Address          Foreign Address        (state)\n"
        "fffff80003df43d0 tcp4       0      0 192.0.2.5.22           192.0.2.9.56321        ESTABLISHED\n"
    )
    batch = read(text, "netstat")
    assert connections(batch) == [("192.0.2.9", 56321, "192.0.2.5", 22, "tcp")]
    assert batch.rejects == []


ENDS = {"ts": 1.5, "uid": "C1", "id.orig_h": "192.0.2.2", "id.orig_p": 50000, "id.resp_h": "203.0.113.9"}


@pytest.mark.parametrize(
    ("columns", "protocol"),
    [
        ({"id.resp_p": 80, "trans_depth": 1, "version": "1.0", "response_body_len": 503, "status_code": 200}, "tcp"),
        ({"id.resp_p": 1812, "username": "u", "mac": "00:00:5e:00:53:01", "result": "success"}, "udp"),
        ({"id.resp_p": 445, "command": "NT_CREATE_ANDX", "status": "SUCCESS", "tree_service": "IPC"}, "tcp"),
        ({"id.resp_p": 3389, "result": "encrypted", "security_protocol": "HYBRID"}, "tcp"),
        ({"id.resp_p": 445, "username": "u", "hostname": "h", "domainname": "d"}, "tcp"),
        ({"id.resp_p": 8080, "tunnel_type": "Tunnel::HTTP", "action": "Tunnel::DISCOVER"}, "tcp"),
    ],
    ids=["http", "radius", "smb_cmd", "rdp", "ntlm", "tunnel"],
)
def test_logs_of_zeek_by_the_columns_that_are_set(columns: dict[str, object], protocol: str) -> None:
    """A line as JSON that names no log, of which only one side was seen: what it is about decides the protocol.

    Break: `_SIGNS` or `_TCP_TUNNELS` in zeek/logs.py.
    """
    batch = read(lines(ENDS | columns), "zeek-json")
    assert connections(batch) == [("192.0.2.2", 50000, "203.0.113.9", columns["id.resp_p"], protocol)]


def test_a_server_names_itself_in_ntlm() -> None:
    """Its DNS name is a name of the server.

    Break: ntlm in `_facts` of zeek/logs.py.
    """
    line = {"id.resp_p": 445, "server_nb_computer_name": "DC", "server_dns_computer_name": "Dc.corp.example.com"}
    assert names(read(lines(ENDS | line))) == {("203.0.113.9", "dc.corp.example.com")}


def test_traceroutes_of_zeek_are_no_connections() -> None:
    """They are known, and ignored: they have neither ports nor a connection."""
    batch = read(lines({"ts": 1.5, "src": "192.0.2.2", "dst": "203.0.113.9", "proto": "udp"}), "zeek-json")
    assert (batch.ignored, batch.rejects) == (1, [])


def test_packetbeat_describes_certificates() -> None:
    """The names in the certificate of a server are its names; with a SHA-256, the certificate is one that it showed.

    Break: `_certificate` in flows/packetbeat.py.
    """
    shown = {
        "hash": {"sha256": "AB" * 32},
        "subject": "CN=www.example.org,O=Example,C=US",
        "issuer": "CN=Example CA,C=US",
        "not_before": "2018-11-28T00:00:00.000Z",
        "not_after": "2020-12-02T12:00:00.000Z",
        "x509": {"alternative_names": ["www.example.org", "example.net"]},
    }
    event = {
        "@timestamp": "2022-06-29T00:31:01.877Z",
        "type": "tls",
        "agent": {"type": "packetbeat"},
        "source": {"ip": "192.0.2.2", "port": 50000},
        "destination": {"ip": "203.0.113.9", "port": 443},
        "network": {"transport": "tcp"},
        "tls": {"server": shown},
    }
    batch = read(lines(event), "packetbeat")
    assert names(batch) == {("203.0.113.9", "www.example.org"), ("203.0.113.9", "example.net")}
    assert [(each.address, each.port, each.fingerprint) for each in batch.sightings] == [
        ("203.0.113.9", 443, "ab" * 32)
    ]
    assert [(each.subject, each.issuer) for each in batch.certificates] == [(shown["subject"], shown["issuer"])]


PING_SCAN = """<?xml version="1.0"?>
<nmaprun scanner="nmap" args="nmap -sn -oX - 192.168.1.1" start="1418232121" version="7.94" xmloutputversion="1.05">
<host><status state="up" reason="arp-response" reason_ttl="0"/>
<address addr="192.168.1.1" addrtype="ipv4"/>
<hostnames><hostname name="web-1.shop_default" type="PTR"/></hostnames>
</host>
{rest}"""


def test_hosts_of_a_ping_scan_were_seen_when_it_started() -> None:
    """Nmap -sn writes no time with a host: the scan's own counts, also for hosts in a later piece.

    Break: `_Scan.start` in nmap/xml_.py.
    """
    first, _, rest = PING_SCAN.format(rest='<host><status state="up"/><address addr="192.168.1.2"/></host>').partition(
        "<hostnames>"
    )
    whole = NmapXml()
    batch = Batch(1, 1_800_000_000.0, "nmap")
    data = f"{first}<hostnames>{rest}".encode()
    cut = data.find(b"</host>") + len(b"</host>")
    whole.parse(data[:cut], 0, batch)
    later = NmapXml()
    later.state = whole.state
    later.parse(data[cut:], cut, batch)
    assert [(row[1], row[5]) for row in batch.discoveries] == [
        ("192.168.1.1", 1418232121.0),
        ("192.168.1.2", 1418232121.0),
    ]
    # As Docker names the containers of a network.
    assert names(batch) == {("192.168.1.1", "web-1.shop_default")}


def test_that_a_port_speaks_tls_is_no_guess() -> None:
    """Nmap names a service by the number of its port, and finds TLS out: that is kept, and the name is not.

    Break: the tunnel in `_service` of nmap/xml_.py.
    """
    port = (
        '<ports><port protocol="tcp" portid="{port}"><state state="open"/>'
        '<service name="x" {more} method="table" conf="3"/></port></ports></host>'
    )
    head = '<host><status state="up"/><address addr="192.168.1.2"/>'
    hosts = head + port.format(port=8443, more='tunnel="ssl"') + head + port.format(port=8080, more="")
    batch = read(PING_SCAN.format(rest=hosts), "nmap-xml")
    assert services(batch) == {("192.168.1.2", 8443): ("tls", None, None)}


@pytest.mark.parametrize("tool", ["suricata", "packetbeat"])
def test_the_name_that_was_asked_for_has_the_address_too(tool: str) -> None:
    """An alias leads to another name, which has the address: both are names of the host, as in Zeek's dns.log.

    Break: `asked` in suricata/facts.py or flows/packetbeat.py.
    """
    ends = {"src_ip": "192.0.2.53", "src_port": 53, "dest_ip": "192.0.2.2", "dest_port": 50000, "proto": "UDP"}
    alias, address = ("www.example.com", "CNAME", "edge.example.net"), ("edge.example.net", "A", "203.0.113.9")
    answers = [{"rrname": name, "rrtype": kind, "rdata": data} for name, kind, data in (alias, address)]
    event = {
        "timestamp": "2026-05-13T06:52:29.000000+0000",
        "flow_id": 5,
        "event_type": "dns",
        **ends,
        "dns": {"version": 2, "type": "answer", "rrname": "www.example.com", "rrtype": "A", "answers": answers},
    }
    found = [{"name": name, "type": kind, "data": data} for name, kind, data in (alias, address)]
    beat = {
        "@timestamp": "2026-05-13T06:52:29.000Z",
        "agent": {"type": "packetbeat"},
        "source": {"ip": "192.0.2.2", "port": 50000},
        "destination": {"ip": "192.0.2.53", "port": 53},
        "network": {"transport": "udp"},
        "dns": {"question": {"name": "www.example.com", "type": "A"}, "answers": found},
    }
    batch = read(lines(event if tool == "suricata" else beat))
    assert names(batch) == {("203.0.113.9", "www.example.com"), ("203.0.113.9", "edge.example.net")}
