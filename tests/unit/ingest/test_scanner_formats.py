"""nmap, zmap, naabu, zgrab2, tlsx, httpx, fingerprintx, and masscan's other forms: real lines and what they mean."""

import base64
import json
from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named
from tests.support.scans import NOW, certificate, parse, ports, spoken


def names(batch: Batch) -> set[tuple[str, str, str]]:
    """Return names as (address, name, source)."""
    return {(each.address, each.name, each.source) for each in batch.hostnames}


# nmap --------------------------------------------------------------------------------------------------------------

NMAP = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -sV" start="1760000000" version="7.94" xmloutputversion="1.05">
<hosthint><status state="up"/><address addr="192.0.2.10" addrtype="ipv4"/></hosthint>
<host starttime="1760000000" endtime="1760000009"><status state="up" reason="syn-ack" reason_ttl="54"/>
<address addr="02:00:00:00:00:09" addrtype="mac"/><address addr="192.0.2.10" addrtype="ipv4"/>
<hostnames><hostname name="www.example.com" type="PTR"/><hostname name="given.example.com" type="user"/></hostnames>
<ports><extraports state="filtered" count="998"/>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="54"/><service name="ssh" product="OpenSSH" version="9.6p1" extrainfo="protocol 2.0" method="probed" conf="10"><cpe>cpe:/a:openbsd:openssh:9.6p1</cpe></service></port>
<port protocol="tcp" portid="80"><state state="open" reason="syn-ack" reason_ttl="54"/><service name="http" method="table" conf="3"/></port>
<port protocol="tcp" portid="443"><state state="open"/><service name="http" product="nginx" tunnel="ssl" method="probed"/></port>
<port protocol="tcp" portid="25"><state state="closed" reason="reset"/></port>
</ports></host>
<host endtime="1760000010"><status state="up"/><address addr="2001:DB8::10" addrtype="ipv6"/><ports><port protocol="udp" portid="53"><state state="open"/></port></ports></host>
<runstats><finished time="1760000011"/><hosts up="2" down="0" total="2"/></runstats></nmaprun>
"""


def test_nmap_xml_gives_ports_services_and_names() -> None:
    """Open ports with what was probed, names by where they come from; a service that only names the port is none."""
    batch = parse("nmap-xml", NMAP)
    assert ports(batch) == [
        ("192.0.2.10", "tcp", 22, 1760000009.0),
        ("192.0.2.10", "tcp", 80, 1760000009.0),
        ("192.0.2.10", "tcp", 443, 1760000009.0),
        ("2001:db8::10", "udp", 53, 1760000010.0),
    ]
    assert (batch.ignored, batch.rejects) == (1, [])
    ssh = spoken(batch)[22]
    assert (ssh.service, ssh.product, ssh.version, ssh.banner) == (
        "ssh",
        "OpenSSH",
        "9.6p1",
        b"OpenSSH 9.6p1 (protocol 2.0)",
    )
    assert spoken(batch)[443].service == "https"
    assert 80 not in spoken(batch)
    assert names(batch) == {("192.0.2.10", "www.example.com", "ptr"), ("192.0.2.10", "given.example.com", "nmap")}


@pytest.mark.parametrize("cut", range(200, len(NMAP), 97))
def test_a_cut_nmap_file_loses_only_the_host_that_was_cut(cut: int) -> None:
    """Whole hosts are there, and at most one reject, wherever the file ends."""
    batch = parse("nmap-xml", NMAP[:cut])
    assert len(ports(batch)) == 3 * (cut >= NMAP.index("</host>") + 7) + (cut >= NMAP.rindex("</host>") + 7)
    assert len(batch.rejects) <= 1


def test_entities_are_not_expanded() -> None:
    """A bomb, and an entity that names a file, are rejects of the hosts they stand in."""
    bomb = '<!DOCTYPE nmaprun [<!ENTITY a "aaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    text = f'{bomb}<nmaprun scanner="nmap">' + "".join(
        f'<host><address addr="{each}"/><ports><port protocol="tcp" portid="1"/></ports></host>'
        for each in ("&a;", "&f;", "192.0.2.1")
    )
    batch = parse("nmap-xml", text)
    assert (len(batch.rejects), len(batch.discoveries)) == (2, 1)


def test_nmap_certificates_are_read() -> None:
    """The script ssl-cert prints the certificate as PEM."""
    pem = "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(certificate()).decode() + "-----END CERTIFICATE-----"
    text = NMAP.replace(
        '<state state="open"/><service name="http" product="nginx"',
        f'<state state="open"/><script id="ssl-cert" output="x"><elem key="pem">{pem}</elem></script><service name="http" product="nginx"',
    )
    batch = parse("nmap-xml", text)
    assert [(each.address, each.port) for each in batch.sightings] == [("192.0.2.10", 443)]


def test_nmap_grepable() -> None:
    """All ports of a host on one line; a version makes a service known."""
    batch = parse(
        "nmap-grepable",
        "# Nmap 7.94 scan initiated\n"
        "Host: 192.0.2.10 (www.example.com)\tStatus: Up\n"
        "Host: 192.0.2.10 (www.example.com)\tPorts: 22/open/tcp//ssh//OpenSSH 9.6p1/, 443/open/tcp//https///, 25/closed/tcp//smtp///\t"
        "Ignored State: filtered (997)\n# Nmap done\n",
    )
    assert [each[2] for each in ports(batch)] == [22, 443]
    assert (batch.ignored, batch.records) == (1, 4)
    assert (spoken(batch)[22].service, spoken(batch)[22].banner) == ("ssh", b"OpenSSH 9.6p1")
    assert names(batch) == {("192.0.2.10", "www.example.com", "ptr")}


# zmap and naabu ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "port", "expected"),
    [
        ("saddr\n192.0.2.10\n192.0.2.11\n", 443, [("192.0.2.10", 443), ("192.0.2.11", 443)]),
        ("192.0.2.10\n192.0.2.11\n", 80, [("192.0.2.10", 80), ("192.0.2.11", 80)]),
        ("saddr,sport\n192.0.2.10,443\n", None, [("192.0.2.10", 443)]),
        ("192.0.2.10,443\n", None, [("192.0.2.10", 443)]),
        (
            "classification,saddr,success,sport\nsynack,192.0.2.10,1,443\nrst,192.0.2.11,0,443\n",
            None,
            [("192.0.2.10", 443)],
        ),
    ],
)
def test_zmap_csv(text: str, port: int | None, expected: list[object]) -> None:
    """With its header or without; the port is the user's to say where the file has none."""
    batch = parse("zmap-csv", text, port)
    assert ([(row[1], row[3]) for row in batch.discoveries], batch.rejects) == (expected, [])


def test_zmap_without_a_port_is_rejected() -> None:
    """An address alone says nothing: the reason says what is missing."""
    assert (
        parse("zmap-csv", "saddr\n192.0.2.10\n").rejects[0][2]
        == "port is missing: name the one that was scanned with --port"
    )


def test_zmap_columns_survive_a_restart() -> None:
    """The header travels with the checkpoint."""
    parser = named("zmap-csv")()
    parser.parse(b"sport,saddr\n", 0, Batch(1, NOW))
    other = named("zmap-csv")()
    other.state = parser.state
    batch = Batch(1, NOW)
    other.parse(b"443,192.0.2.10\n", 12, batch)
    assert [(row[1], row[3]) for row in batch.discoveries] == [("192.0.2.10", 443)]


def test_zmap_json() -> None:
    """One object an answer."""
    batch = parse("zmap-json", '{"saddr":"192.0.2.10","sport":443,"classification":"synack"}\n')
    assert [each[:3] for each in ports(batch)] == [("192.0.2.10", "tcp", 443)]


@pytest.mark.parametrize(
    "line",
    [
        '{"host":"www.example.com","ip":"192.0.2.10","timestamp":"2025-10-09T08:53:20.000Z","port":443,"protocol":"tcp","tls":false}',
        '{"host":"www.example.com","ip":"192.0.2.10","timestamp":"2025-10-09T08:53:20.000000000Z","port":{"Port":443,"Protocol":0,"TLS":false}}',
        '{"ip":"192.0.2.10","port":443}',
    ],
)
def test_naabu_json_of_all_three_shapes(line: str) -> None:
    """A number, an object, and nothing but the two."""
    batch = parse("naabu-json", line + "\n")
    assert [each[:3] for each in ports(batch)] == [("192.0.2.10", "tcp", 443)]
    assert ports(batch)[0][3] in {1760000000.0, NOW}
    assert {each[1] for each in names(batch)} <= {"www.example.com"}


def test_naabu_text() -> None:
    """IPv6 has no brackets: the last colon counts."""
    batch = parse("naabu-text", "192.0.2.10:443\n2001:db8::25:80\nwww.example.com:443\n")
    assert [each[:3] for each in ports(batch)] == [("192.0.2.10", "tcp", 443), ("2001:db8::25", "tcp", 80)]
    assert len(batch.rejects) == 1


# zgrab2 and what ProjectDiscovery writes ---------------------------------------------------------------------------


def zgrab(data: dict[str, Any], **others: Any) -> str:
    """Return a line of zgrab2."""
    return json.dumps({"ip": "192.0.2.10", **others, "data": data}) + "\n"


def test_zgrab2_modules_are_records() -> None:
    """Each module is one record: an answer is a banner, no answer is ignored, names and certificates are facts."""
    der = base64.b64encode(certificate()).decode()
    batch = parse(
        "zgrab2",
        zgrab(
            {
                "ssh": {
                    "status": "success",
                    "protocol": "ssh",
                    "port": 22,
                    "timestamp": "2025-10-09T08:53:20Z",
                    "result": {"server_id": {"raw": "SSH-2.0-OpenSSH_9.6p1"}},
                },
                "smtp": {
                    "status": "success",
                    "protocol": "smtp",
                    "result": {"banner": "220 mail.example.com ESMTP\r\n"},
                },
                "ftp": {"status": "connection-refused", "protocol": "ftp", "error": "x"},
                "tls": {
                    "status": "success",
                    "protocol": "tls",
                    "result": {"handshake_log": {"server_certificates": {"certificate": {"raw": der}}}},
                },
                "http": {
                    "status": "success",
                    "protocol": "http",
                    "port": 8080,
                    "result": {
                        "response": {
                            "status_line": "301 Moved Permanently",
                            "status_code": 301,
                            "headers": {"server": ["nginx/1.22.1"], "location": ["https://www.example.org:8443/x"]},
                        },
                    },
                },
            },
            domain="given.example.com",
        ),
    )
    assert {each[2] for each in ports(batch)} == {22, 25, 443, 8080}
    assert (batch.records, batch.ignored) == (5, 1)
    said = spoken(batch)
    assert said[22].banner == b"SSH-2.0-OpenSSH_9.6p1"
    assert said[25].banner == b"220 mail.example.com ESMTP\r\n"
    assert b"HTTP/1.1 301 Moved Permanently\r\nServer: nginx/1.22.1\r\n" in (said[8080].banner or b"")
    assert names(batch) == {
        ("192.0.2.10", "www.example.org", "redirect"),
        ("192.0.2.10", "given.example.com", "zgrab2"),
        ("192.0.2.10", "www.example.com", "certificate"),
        ("192.0.2.10", "example.com", "certificate"),
    }
    assert [each.port for each in batch.sightings] == [443]


@pytest.mark.parametrize("data", [{"ssh": {"status": "made up"}}, {"ssh": 7}, {"what": {"status": "success"}}, {}])
def test_zgrab2_that_makes_no_sense_is_rejected(data: dict[str, Any]) -> None:
    """An unknown status, no module, or no port at all."""
    batch = Batch(7, NOW)
    named("zgrab2")().parse(zgrab(data).encode(), 0, batch)
    assert (len(batch.rejects), batch.records) == (1, 1)


def test_tlsx() -> None:
    """The port is text, names come from the certificate; a failed probe is ignored."""
    line = {
        "timestamp": "2025-10-09T08:53:20Z",
        "host": "192.0.2.10",
        "ip": "192.0.2.10",
        "port": "443",
        "probe_status": True,
        "tls_version": "tls13",
        "subject_cn": "www.example.com",
        "subject_an": ["www.example.com", "*.example.com", 7],
    }
    batch = parse("tlsx", json.dumps(line) + "\n" + json.dumps({**line, "probe_status": False}) + "\n")
    assert ports(batch) == [("192.0.2.10", "tcp", 443, 1760000000.0)]
    assert names(batch) == {("192.0.2.10", "www.example.com", "certificate")}
    assert batch.ignored == 1


def test_httpx() -> None:
    """The server's name, and where it redirects to."""
    line = {
        "timestamp": "2025-10-09T08:53:20Z",
        "port": "80",
        "url": "http://192.0.2.10",
        "input": "192.0.2.10",
        "scheme": "http",
        "webserver": "nginx/1.22.1",
        "host_ip": "192.0.2.10",
        "status_code": 301,
        "failed": False,
        "location": "https://www.example.com/",
    }
    batch = parse("httpx", json.dumps(line) + "\n")
    assert ports(batch) == [("192.0.2.10", "tcp", 80, 1760000000.0)]
    assert spoken(batch)[80].banner == b"HTTP/1.1 301\r\nServer: nginx/1.22.1\r\n\r\n"
    assert names(batch) == {("192.0.2.10", "www.example.com", "redirect")}


def test_fingerprintx() -> None:
    """Service, version, and the greeting where there is one."""
    line = '{"host":"www.example.com","ip":"192.0.2.10","port":22,"protocol":"ssh","tls":false,"transport":"tcp","version":"9.6","metadata":{"banner":"SSH-2.0-x"}}'
    batch = parse("fingerprintx", line + "\n")
    said = spoken(batch)[22]
    assert (said.service, said.version, said.banner) == ("ssh", "9.6", b"SSH-2.0-x")
