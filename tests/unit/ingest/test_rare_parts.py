"""Parts that few records have: what is odd in them is left out or rejected, and the rest of the record counts."""

import base64

import pytest

from cobalt_tasks.ingest.batch import Batch
from tests.support.reading import Row, about, connections, details, lines, names, ports, read, services
from tests.support.records import rows
from tests.support.scans import certificate

# nmap ----------------------------------------------------------------------------------------------------------------

HEAD = "Starting Nmap 7.95 ( https://nmap.org ) at 2026-05-05 10:11 UTC\n"
HOST = "Nmap scan report for 192.0.2.1\nHost is up (0.1s latency).\nPORT   STATE SERVICE\n"


def reasons(batch: Batch) -> list[str]:
    """Return why records were rejected."""
    return [each[2] for each in batch.rejects]


def test_the_output_of_scripts_is_of_its_port_or_of_the_host() -> None:
    """What stands below a port is the port's, until nmap writes that the host's follows; a script may have several lines.

    Break: the branch of `Host script results:` in nmap/normal.py.
    """
    batch = read(
        f"{HEAD}{HOST}22/tcp open  ssh\n| ssh-hostkey: \n|_  256 aa:bb (ED25519)\n\n"
        "Host script results:\n|_clock-skew: 1s\nNmap done: 1 IP address (1 host up) scanned in 1 second\n"
    )
    assert ports(batch) == [("192.0.2.1", "tcp", 22), ("192.0.2.1", "ip", 0)]
    assert about(batch)[0]["scripts"] == {"ssh-hostkey": "256 aa:bb (ED25519)"}
    assert about(batch)[1]["scripts"] == {"clock-skew": "1s"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("22/tcp opened  ssh\n", "state is none: 'opened'"),
        ("Nmap scan report for printer.local\n", "printer.local is a name and no address"),
        ("99999/tcp open  ssh\n", "port"),
    ],
)
def test_a_line_of_nmap_that_cannot_be_is_rejected_alone(line: str, reason: str) -> None:
    """The lines around it count."""
    batch = read(f"{HEAD}{HOST}80/tcp open  http\n{line}")
    assert ports(batch)[0] == ("192.0.2.1", "tcp", 80)
    assert len(batch.rejects) == 1
    assert reason in reasons(batch)[0]


def test_a_scan_whose_date_is_none_has_the_time_of_its_reading() -> None:
    """A thirteenth month is no time of any scan."""
    batch = read(f"{HEAD.replace('2026-05', '2026-13')}{HOST}80/tcp open  http\n")
    assert ports(batch) == [("192.0.2.1", "tcp", 80)]
    assert batch.discoveries[0][5] == batch.arrived_at


def test_a_name_that_nmap_looked_up_otherwise_is_the_hosts() -> None:
    """`rDNS record for` stands where the target was given by another name."""
    batch = read(
        f"{HEAD}Nmap scan report for www.example.com (192.0.2.1)\nHost is up.\n"
        "rDNS record for 192.0.2.1: host1.example.net\nPORT   STATE SERVICE\n80/tcp open  http\n"
    )
    assert names(batch) == {("192.0.2.1", "www.example.com"), ("192.0.2.1", "host1.example.net")}


@pytest.mark.parametrize("command", ["nmap -p 22,80 'a 192.0.2.1", "nmap -p22,80 192.0.2.1"])
def test_a_quote_that_does_not_end_is_no_fault_of_the_scan(command: str) -> None:
    """Arguments stand there without the quotes they had: the ports it was asked for are read as far as they are clear."""
    batch = read(
        f"# Nmap 7.95 scan initiated Tue May  5 10:11:12 2026 as: {command}\n{HOST}80/tcp open  http\n"
        "# Nmap done at Tue May  5 10:11:22 2026 -- 1 IP address (1 host up) scanned in 10 seconds\n"
    )
    assert [dict(each.covers) for each in batch.scans if each.ended] == [{"tcp": [(22, 22), (80, 80)]}]


# Suricata ------------------------------------------------------------------------------------------------------------

EVENT: Row = {
    "timestamp": "2026-05-05T10:11:12.000000+0000",
    "flow_id": 7,
    "src_ip": "192.0.2.2",
    "src_port": 40000,
    "dest_ip": "203.0.113.80",
    "dest_port": 443,
    "proto": "TCP",
}


def event(kind: str, part: object) -> Row:
    """Return an event with its own part."""
    return {**EVENT, "event_type": kind, kind: part}


def test_the_first_certificate_of_a_chain_is_the_servers() -> None:
    """Where Suricata writes the chain and not the certificate alone; the names in the event count as well."""
    der = certificate()
    part = {
        "sni": "www.example.com",
        "subjectaltname": ["a.example.com"],
        "chain": [base64.b64encode(der).decode(), "!"],
    }
    batch = read(lines(event("tls", part)))
    assert [each.der for each in batch.certificates] == [der]
    named = {name for _, name in names(batch)}
    assert named >= {"www.example.com", "a.example.com"}


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("tls", {"subjectaltname": "a.example.com", "chain": []}),
        ("http", {"hostname": "www.example.com", "http_method": "CONNECT"}),
        ("http", {"request_headers": [{"name": 1, "value": "a.example.com"}, 7]}),
        ("dns", ["no", "object"]),
        ("dns", {"queries": [], "answers": ["no", {"rrname": "a.example.com", "rrtype": "A"}]}),
        ("ssh", {"server": {"proto_version": "2.0", "software_version": ""}}),
        ("dhcp", {"dhcp_type": "ack", "assigned_ip": "0.0.0.0"}),  # no address was assigned
    ],
)
def test_a_part_that_has_nothing_is_nothing(kind: str, part: object) -> None:
    """The connection of the event counts, and no name, service or certificate is made up."""
    batch = read(lines(event(kind, part)))
    assert batch.rejects == []
    assert connections(batch)
    assert names(batch) == set()
    assert services(batch) == {}
    assert batch.certificates == batch.hardware_addresses == []


# Zeek ----------------------------------------------------------------------------------------------------------------


def test_what_known_certs_has_is_a_port_that_speaks_tls() -> None:
    """Seen in traffic, and so never probed for it; the subject's name is one of the host.

    Break: `_certificate` in zeek/known.py.
    """
    record = {"_path": "known_certs", "ts": 1_700_000_000.5, "host": "192.0.2.9", "port_num": 8443}
    batch = read(lines({**record, "subject": "CN=www.example.com,O=A", "issuer_subject": "CN=CA", "serial": "0A"}))
    assert ports(batch) == [("192.0.2.9", "tcp", 8443)]
    assert about(batch) == [{"subject": "CN=www.example.com,O=A", "issuer_subject": "CN=CA", "serial": "0A"}]
    assert names(batch) == {("192.0.2.9", "www.example.com")}
    assert services(batch)["192.0.2.9", 8443][0] == "tls"


@pytest.mark.parametrize(
    ("several", "service"), [([], None), (["SSL"], "tls"), (["HTTP", "SSL"], "https"), ("ssh", "ssh")]
)
def test_a_service_inside_tls_is_named_by_both(several: object, service: str | None) -> None:
    """known_services.log has a set of what Zeek saw on the port."""
    record = {
        "_path": "known_services",
        "ts": 1.5,
        "host": "192.0.2.9",
        "port_num": 99,
        "port_proto": "tcp",
        "service": several,
    }
    batch = read(lines(record))
    assert services(batch).get(("192.0.2.9", 99), (None,))[0] == service


def test_a_column_that_a_log_declares_twice_is_read_once() -> None:
    """The last cell counts. A set that was declared twice ended the reading.

    Break: `_sets` in zeek/tsv.py.
    """
    names_of = ("ts", "host", "port_num", "port_proto", "service", "service")
    head = "#separator \\x09\n#path\tknown_services\n#fields\t" + "\t".join(names_of)
    batch = read(
        f"{head}\n#types\ttime\taddr\tport\tenum\tset[string]\tset[string]\n1.5\t192.0.2.9\t22\ttcp\tHTTP\tSSH\n"
    )
    assert services(batch)["192.0.2.9", 22][0] == "ssh"


X509: Row = {
    "_path": "x509",
    "ts": 1_700_000_000.5,
    "fingerprint": "ab" * 32,
    "certificate.subject": "CN=www.example.com",
    "certificate.issuer": "CN=CA",
    "certificate.serial": "0A",
    "certificate.not_valid_before": 1_700_000_000.0,
    "certificate.not_valid_after": 1_800_000_000.0,
    "san.dns": ["a.example.com", "not a name"],
    "san.ip": ["192.0.2.9", "no"],
}


def test_a_certificate_that_zeek_describes_is_known_without_its_bytes() -> None:
    """Names that are none are left out of it."""
    (found,) = read(lines(X509)).certificates
    assert (found.fingerprint, found.serial, found.not_after) == ("ab" * 32, "0a", 1_800_000_000.0)
    assert found.names == ("192.0.2.9", "a.example.com", "www.example.com")


def test_a_certificate_with_its_bytes_is_read_from_them() -> None:
    """Where Zeek was told to log them (`X509::relog_known_certificates_after`, `X509Base64`)."""
    der = certificate()
    (found,) = read(lines({**X509, "cert": base64.b64encode(der).decode()})).certificates
    assert found.der == der


@pytest.mark.parametrize(
    "odd", [{"certificate.not_valid_after": "soon"}, {"certificate.not_valid_before": None}, {"fingerprint": ["é"]}]
)
def test_a_certificate_that_is_not_known_well_enough_is_none(odd: Row) -> None:
    """Without a time or a name of its own it could be no row; the line counts as one that has no connection."""
    batch = read(lines({**X509, **odd}))
    assert batch.certificates == batch.rejects == []
    assert batch.ignored == 1


# Others --------------------------------------------------------------------------------------------------------------

TLSX: Row = {
    "timestamp": "2026-05-05T10:11:12Z",
    "host": "www.example.com",
    "port": "443",
    "probe_status": True,
    "tls_version": "tls13",
    "cipher": "TLS_AES_128_GCM_SHA256",
}


def test_a_name_alone_is_no_host_of_tlsx() -> None:
    """An early tlsx wrote no address: the line is rejected with what to do."""
    assert "a newer tlsx writes both" in reasons(read(lines(TLSX)))[0]


def test_the_certificate_that_tlsx_wrote_is_read() -> None:
    """With `-cert`: from its bytes, not from the words about it."""
    der = certificate()
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"
    batch = read(lines({**TLSX, "ip": "192.0.2.9", "certificate": pem}))
    assert [each.der for each in batch.certificates] == [der]
    assert ports(batch) == [("192.0.2.9", "tcp", 443)]


def test_a_packet_without_a_prefix_has_no_rule() -> None:
    """The firewall's `--log-prefix` is what names one."""
    packet = "IN=eth0 OUT= SRC=192.0.2.2 DST=203.0.113.80 PROTO=TCP SPT=40000 DPT=443 SYN URGP=0\n"
    batch = read(f"May  5 10:11:12 gw kernel: {packet}May  5 10:11:12 gw kernel: [UFW BLOCK] {packet}")
    assert [each.get("rule") for each in details(batch)] == [None, "UFW BLOCK"]


def test_a_host_of_shodan_without_ports_is_ignored() -> None:
    """It was seen, and nothing is known of it."""
    batch = read(lines({"ip_str": "192.0.2.9", "ports": [], "hostnames": [], "last_update": "2026-05-05T10:11:12"}))
    assert (ports(batch), batch.rejects) == ([], [])
    assert batch.ignored == 1


@pytest.mark.parametrize("head", ["CEF:0|a|b|1|2|c|3|", "LEEF:1.0|a|b|1|2|", "LEEF:2.0|a|b|1|2|^|"])
def test_an_event_without_pairs_is_ignored(head: str) -> None:
    """Nothing is known of its ends; the event behind it counts. It ended the reading once.

    Break: `strict` in `_pairs` of firewalls/events.py.
    """
    whole = "src=192.0.2.2\tspt=40000\tsrcPort=40000\tdst=203.0.113.80\tdpt=443\tdstPort=443\tproto=TCP"
    batch = read(f"{head}{whole}\n{head}\n{head}no pair\n".replace("\t", "^" if "^" in head else " "))
    assert connections(batch) == [("192.0.2.2", 40000, "203.0.113.80", 443, "tcp")]
    assert (batch.ignored, batch.rejects) == (2, [])


def test_a_session_has_no_nul() -> None:
    """PostgreSQL's texts hold none. Break: `values.text` for the identity in flows/table.py."""
    pairs = 'src=192.0.2.2 spt=40000 dst=203.0.113.80 dpt=443 proto=TCP externalId=7\x00"'
    batch = read(f"CEF:0|a|b|1|2|c|3|{pairs}\n")
    assert "\x00" not in str(rows(batch))
