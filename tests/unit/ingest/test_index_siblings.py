"""Indexes of the Internet, probing tools and reports: names, certificates, software and services where a record has them."""

import json
from typing import Any

import pytest

from tests.support.reading import Row, about, lines, names, ports, read, services

FINGERPRINT = "ce" * 32
WEB = {"port": 443, "service_name": "HTTP", "extended_service_name": "HTTPS", "transport_protocol": "TCP"}
HOST: Row = {
    "ip": "192.0.2.20",
    "services": [
        {
            **WEB,
            "observed_at": "2021-12-07T10:00:28Z",
            "software": [{"part": "o", "product": "linux"}, {"part": "a", "product": "nginx", "version": "1.18.0"}],
            "certificate": FINGERPRINT,
            "tls": {
                "certificates": {
                    "leaf_data": {"subject_dn": "CN=c.example.com", "names": ["c.example.com", "*.a.example.com"]}
                }
            },
            "jarm": {"fingerprint": "2ad"},
        },
        {"port": 443, "service_name": "UNKNOWN", "transport_protocol": "QUIC"},
        {"port": 22, "service_name": "SSH", "transport_protocol": "TCP", "banner": "SSH-2.0-OpenSSH_8.0\r\n"},
    ],
    "dns": {"reverse_dns": {"names": ["r.example.com"]}},
    "operating_system": {"product": "Linux"},
    "last_updated_at": "2021-12-08T00:00:00Z",
}
PLATFORM: Row = {
    "ip": "192.0.2.20",
    "services": [
        {
            "port": 443,
            "protocol": "HTTP",
            "transport_protocol": "tcp",
            "scan_time": "2021-12-07T10:00:28Z",
            "tls": {},
            "software": [{"product": "nginx", "version": "1.18.0"}],
            "cert": {
                "fingerprint_sha256": FINGERPRINT,
                "names": ["c.example.com"],
                "parsed": {
                    "subject_dn": "CN=c.example.com",
                    "issuer_dn": "CN=CA",
                    "serial_number_hex": "0A",
                    "validity_period": {"not_before": "2021-01-01T00:00:00Z", "not_after": "2022-01-01T00:00:00Z"},
                },
            },
        }
    ],
}


@pytest.mark.parametrize(
    "text",
    [
        lines(HOST),
        json.dumps([HOST], indent=1),
        json.dumps({"code": 200, "status": "OK", "result": HOST}),
        json.dumps({"code": 200, "result": {"query": "x", "total": 1, "hits": [HOST], "links": {}}}, indent=2),
    ],
    ids=["lines", "array", "view", "search"],
)
def test_a_host_of_censys(text: str) -> None:
    """One document, however it was saved: software that is no system, the certificate shown, QUIC as UDP, names.

    Break: `_documents`, `_software` or `_TRANSPORTS` in formats/censys.py.
    """
    batch = read(text, "censys")
    found = [("192.0.2.20", "ip", 0), ("192.0.2.20", "tcp", 443), ("192.0.2.20", "udp", 443), ("192.0.2.20", "tcp", 22)]
    assert ports(batch) == found
    assert names(batch) == {("192.0.2.20", "c.example.com"), ("192.0.2.20", "r.example.com")}
    assert [(each.port, each.fingerprint) for each in batch.sightings] == [(443, FINGERPRINT)]
    assert about(batch)[0]["operating_system"] == {"product": "Linux"}
    assert about(batch)[1]["jarm"] == {"fingerprint": "2ad"}
    assert batch.discoveries[1][5] == 1638871228.0
    seen = services(batch)
    assert seen["192.0.2.20", 22] == ("ssh", "OpenSSH", "8.0")
    assert seen["192.0.2.20", 443] == ("https", "nginx", "1.18.0")
    assert not batch.jobs or {each.kind for each in batch.jobs}.isdisjoint({"banner", "certificate"})


def test_a_host_of_the_platform_of_censys() -> None:
    """Its newer form has other names for the same, and the whole certificate but its bytes."""
    batch = read(lines({"result": {"resource": PLATFORM}}), "censys")
    (certificate,) = batch.certificates
    assert (certificate.fingerprint, certificate.subject, certificate.serial) == (FINGERPRINT, "CN=c.example.com", "0a")
    assert certificate.not_after - certificate.not_before == 365 * 86400
    assert services(batch) == {("192.0.2.20", 443): ("https", "nginx", "1.18.0")}


def test_an_answer_of_censys_without_a_host_is_refused() -> None:
    """Of a file that has other records, too."""
    batch = read(lines(HOST, {"result": {"resource": {"name": "x"}}}), "censys")
    assert [row[2] for row in batch.rejects] == ["ip and services are missing"]


def test_a_search_of_shodan_has_its_matches() -> None:
    """The answer of its API as one object."""
    banner = {"ip_str": "192.0.2.1", "port": 22, "product": "OpenSSH", "version": "7.4", "_shodan": {"module": "ssh"}}
    batch = read(json.dumps({"matches": [banner, {**banner, "port": 2222}], "total": 2}), "shodan")
    assert {port: found[1:] for (_, port), found in services(batch).items()} == dict.fromkeys(
        (22, 2222), ("OpenSSH", "7.4")
    )


TLS: Row = {
    "subject_cn": "a.example.com",
    "subject_an": ["a.example.com", "b.example.com"],
    "subject_dn": "CN=a.example.com",
    "issuer_dn": "CN=R3",
    "serial": "01:AB",
    "fingerprint_hash": {"sha256": FINGERPRINT},
    "not_before": "2022-07-05T08:03:18Z",
    "not_after": "2022-10-03T08:03:17Z",
}


@pytest.mark.parametrize(
    "record",
    [
        {"host": "a.example.com", "ip": "192.0.2.3", "port": "443", "probe_status": True, **TLS},
        {
            "url": "https://a.example.com",
            "input": "x",
            "host": "192.0.2.3",
            "port": "443",
            "status_code": 200,
            "tls": TLS,
        },
    ],
    ids=["tlsx", "httpx"],
)
def test_a_certificate_that_is_described_is_a_fact(record: Row) -> None:
    """Without its bytes, too: who showed it, subject, issuer, serial, times and names.

    Break: `described.add` in either format.
    """
    batch = read(lines(record))
    (certificate,), (sighting,) = batch.certificates, batch.sightings
    assert (sighting.address, sighting.port, sighting.fingerprint) == ("192.0.2.3", 443, FINGERPRINT)
    assert (certificate.issuer, certificate.serial, certificate.names) == (
        "CN=R3",
        "01ab",
        ("a.example.com", "b.example.com"),
    )
    assert names(batch) >= {("192.0.2.3", "a.example.com"), ("192.0.2.3", "b.example.com")}


def test_a_version_that_is_a_name_is_the_product() -> None:
    """Of fingerprintx: `nginx` without a number."""
    record = {"ip": "192.0.2.4", "port": 9, "service": "x", "transport": "tcp", "version": "nginx", "metadata": {}}
    assert services(read(lines(record))) == {("192.0.2.4", 9): ("x", "nginx", None)}


def test_a_name_in_the_place_of_an_address_is_called_so() -> None:
    """A reason that shows what the line has and what it lacks."""
    record = {"url": "http://n.example.com", "input": "x", "host": "n.example.com", "port": "80", "status_code": 200}
    assert "is a name and no address" in read(lines(record)).rejects[0][2]


def item(port: int, service: str, output: str) -> str:
    """Return one item of Nessus."""
    return f'<ReportItem port="{port}" svc_name="{service}" protocol="tcp"><plugin_output>{output}</plugin_output></ReportItem>'


def test_the_software_and_tls_in_the_plugins_of_nessus() -> None:
    """Banners of SSH and HTTP, and that a server answered in TLS; CPE without the words behind it."""
    items = [
        item(22, "ssh", "\nSSH version : SSH-2.0-OpenSSH_5.3\nSSH supported"),
        item(80, "www", "The remote web server type is :\n\nApache/2.2.15 (CentOS)\n"),
        item(443, "www", "A TLSv1.2 server answered on this port.\n"),
    ]
    host = '<tag name="host-ip">192.168.0.1</tag><tag name="cpe-1">cpe:/a:openbsd:openssh:5.3 -> OpenBSD OpenSSH</tag>'
    batch = read(
        f'<NessusClientData_v2><Report name="x"><ReportHost name="h"><HostProperties>{host}</HostProperties>{"".join(items)}'
        "</ReportHost></Report></NessusClientData_v2>\n",
        "nessus",
    )
    assert {port: found for (_, port), found in services(batch).items()} == {
        22: ("ssh", "OpenSSH", "5.3"),
        80: ("http", "Apache", "2.2.15"),
        443: ("https", None, None),
    }
    assert about(batch)[0]["cpe"] == ["cpe:/a:openbsd:openssh:5.3"]


def test_the_services_of_an_openvas_report() -> None:
    """A detail of the host names each."""
    details: Any = "".join(
        f"<detail><name>Services</name><value>{each}</value></detail>"
        for each in ("22,tcp,ssh", "443,tcp,www", "x,tcp,y")
    )
    batch = read(f"<report content_type='text/xml'><host><ip>192.168.0.2</ip>{details}</host></report>\n", "openvas")
    assert {port: found[0] for (_, port), found in services(batch).items()} == {22: "ssh", 443: "http"}
