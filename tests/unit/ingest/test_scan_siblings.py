"""Records as tools really write them: each fact of a line is where it belongs, and nothing is dropped without a word."""

import time
from typing import Any

import pytest

from tests.support.reading import Row, about, lines, ports, read, services

# nmap ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "product", "version"),
    [
        ("OpenSSH for_Windows_8.1 (protocol 2.0)", "OpenSSH", "for_Windows_8.1"),
        ("Microsoft SQL Server 2019 15.00.2000.00; RTM", "Microsoft SQL Server 2019", "15.00.2000.00; RTM"),
        ("Microsoft SQL Server 2008 R2 10.50.4000.00; SP2", "Microsoft SQL Server 2008 R2", "10.50.4000.00; SP2"),
        ("Microsoft Windows 7 - 10 microsoft-ds", "Microsoft Windows 7 - 10 microsoft-ds", None),
        ("HP LaserJet 4250 http config", "HP LaserJet 4250 http config", None),
        ("Oracle Application Server 10g httpd 9.0.4", "Oracle Application Server 10g httpd", "9.0.4"),
        ("mini_httpd 1.30 26Oct2018", "mini_httpd", "1.30 26Oct2018"),
        ("Samba smbd 3.X - 4.X (workgroup: HOME)", "Samba smbd", "3.X - 4.X"),
    ],
)
def test_the_number_of_a_product_is_not_its_version(text: str, product: str, version: str | None) -> None:
    """Where nmap writes both in one text: the product and version its XML has.

    Break: `_YEAR` or `_OF_PRODUCT` in nmap/services.py.
    """
    normal = f"Nmap scan report for 192.0.2.1\nPORT STATE SERVICE VERSION\n80/tcp open x {text}\n"
    grepable = f"Host: 192.0.2.1 ()\tPorts: 80/open/tcp//x//{text}/\n"
    for each in (normal, grepable):
        assert services(read(each))["192.0.2.1", 80][1:] == (product, version)


def test_an_old_normal_output_is_read() -> None:
    """Before nmap 5.21 a host starts with `Interesting ports on`; -sP has one line for each.

    Break: `_TARGET` in nmap/normal.py.
    """
    batch = read(
        "Starting Nmap 4.76 ( http://nmap.org ) at 2009-01-01 10:00 EST\n"
        "Interesting ports on www.example.com (192.0.2.9):\nPORT    STATE SERVICE  VERSION\n"
        "443/tcp open  ssl/http Apache httpd 2.2.3 ((CentOS))\n\n"
        "Interesting ports on 192.0.2.10:\nPORT   STATE SERVICE\n22/tcp open  ssh\n\n"
        "Host gw (192.0.2.1) appears to be up.\nHost 192.0.2.3 is up (0.1s latency).\n"
        "Nmap done: 4 IP addresses (4 hosts up) scanned in 1.5 seconds\n"
    )
    found = [("192.0.2.9", "tcp", 443), ("192.0.2.10", "tcp", 22), ("192.0.2.1", "ip", 0), ("192.0.2.3", "ip", 0)]
    assert ports(batch) == found
    assert services(batch)["192.0.2.9", 443] == ("https", "Apache httpd", "2.2.3")
    assert {row[5] for row in batch.discoveries} == {1230822000.0}


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("CEST", 2), ("EDT", -4), ("+0530", 5.5), ("-03", -3)])
def test_the_zone_of_a_time_counts(zone: str, hours: float) -> None:
    """A scan on another machine: 10:11 there is not 10:11 here."""
    batch = read(
        f"Starting Nmap 7.80 ( https://nmap.org ) at 2020-05-05 10:11 {zone}\nNmap scan report for 192.0.2.1\n"
    )
    assert batch.discoveries[0][5] == 1588673460 - hours * 3600


def test_the_reason_and_its_ttl_are_apart_as_in_the_xml() -> None:
    """With --reason; and columns that a paste has pushed together are words all the same."""
    batch = read(
        "Nmap scan report for 192.0.2.1\nPORT STATE SERVICE REASON VERSION\n"
        "22/tcp open ssh syn-ack ttl 52 OpenSSH 6.6.1p1\n31337/tcp open tcpwrapped syn-ack\n"
    )
    assert [row[7:9] for row in batch.discoveries] == [("syn-ack", 52), ("syn-ack", None)]
    assert services(batch) == {
        ("192.0.2.1", 22): ("ssh", "OpenSSH", "6.6.1p1"),
        ("192.0.2.1", 31337): ("tcpwrapped", None, None),
    }


def test_a_name_in_a_version_scan_is_what_was_found_unless_it_has_a_question_mark() -> None:
    """-oG of -sV: `pop3` was probed and `ftp?` is only the port's name; without -sV all are only names."""
    line = "Host: 192.0.2.1 ()\tPorts: 110/open/tcp//pop3///,21/open/tcp//ftp?///, 1521/open/tcp//tcpwrapped///\n"
    first = "# Nmap 7.93 scan initiated Fri Nov 27 02:23:28 2026 as: nmap {}-oG x 192.0.2.1\n"
    assert {port: found[0] for (_, port), found in services(read(first.format("-sV ") + line)).items()} == {
        110: "pop3",
        1521: "tcpwrapped",
    }
    assert [port for _, port in services(read(first.format("") + line))] == [1521]


def test_the_route_and_the_kind_of_system_are_kept() -> None:
    """Of nmap's XML: --traceroute, and the classes of -O."""
    batch = read(
        '<?xml version="1.0"?>\n<nmaprun scanner="nmap" start="1588666272">\n<host><status state="up"/>'
        '<address addr="192.0.2.1" addrtype="ipv4"/><os><osmatch name="X" accuracy="98"><osclass type="printer" vendor="HP"/>'
        '</osmatch></os><trace><hop ttl="1" ipaddr="192.0.2.254" rtt="0.5"/></trace></host></nmaprun>\n'
    )
    (kept,) = about(batch)
    assert kept["os_class"] == [{"type": "printer", "vendor": "HP"}]
    assert kept["route"] == [{"ttl": "1", "ipaddr": "192.0.2.254", "rtt": "0.5"}]


# zmap, naabu, zgrab2 -------------------------------------------------------------------------------------------------


def test_zmap_answers_without_a_port() -> None:
    """An echo reply is a host that is up; a failure needs no port; the answer over UDP is a banner."""
    batch = read(
        lines(
            {"classification": "echoreply", "saddr": "192.0.2.4", "success": 1},
            {"classification": "unreach", "saddr": "192.0.2.5", "success": 0},
            {"classification": "dns", "saddr": "192.0.2.6", "sport": 53, "success": 1, "data": "616263"},
        )
    )
    assert ports(batch) == [("192.0.2.4", "icmp", 0), ("192.0.2.6", "udp", 53)]
    assert (batch.ignored, batch.banners[0].banner) == (1, b"abc")


def test_names_without_addresses_are_refused_with_what_to_do() -> None:
    """Naabu's text: a name, and what writes both."""
    batch = read("192.0.2.8:80\nwww.example.com:443\n")
    assert batch.rejects[0][2].startswith("it has a name (www.example.com) and no address")


def test_a_table_of_addresses_and_ports_is_read() -> None:
    """A table of any program's."""
    assert ports(read("ip,port\n192.0.2.7,443\n", "csv")) == [("192.0.2.7", "tcp", 443)]


def grab(module: str, result: Row, **more: Any) -> str:
    """Return one record of zgrab2."""
    return lines(
        {"ip": "192.0.2.12", "data": {module: {"status": "success", "protocol": module, "result": result, **more}}}
    )


@pytest.mark.parametrize(
    ("module", "result", "expected"),
    [
        ("ipp", {"cups_version": "CUPS/2.1"}, (631, "ipp", "CUPS", "2.1")),
        (
            "modbus",
            {"mei_response": {"objects": {"product_code": "M340", "revision": "v2.7"}}},
            (502, "modbus", "M340", "v2.7"),
        ),
        ("bacnet", {"model_name": "M", "firmware_revision": "1.2"}, (47808, "bacnet", "M", "1.2")),
        ("fox", {"app_name": "Station", "app_version": "3.7"}, (1911, "fox", "Station", "3.7")),
        ("jarm", {"fingerprint": "2ad"}, (443, "tls", None, None)),
    ],
)
def test_modules_of_zgrab2_name_products(module: str, result: Row, expected: tuple[Any, ...]) -> None:
    """Each module has its own places for the product and its version."""
    port, *found = expected
    assert services(read(grab(module, result))) == {("192.0.2.12", port): tuple(found)}


def test_a_page_behind_tls_is_https_with_its_title() -> None:
    """The scheme of the URL; what the server says is the same in the clear, and the title is in the page.

    Break: `is_secured` in ingest/derive.py.
    """
    asked = {"url": {"scheme": "https", "host": "192.0.2.12:8443"}}
    headers = {"server": ["nginx/1.14.0"]}
    page = "<html><head><title>Hi there</title>"
    batch = read(grab("http", {"response": {"status_code": 200, "headers": headers, "body": page, "request": asked}}))
    assert about(batch)[0]["title"] == "Hi there"
    assert services(batch) == {("192.0.2.12", 8443): ("https", "nginx", "1.14.0")}


def test_a_target_that_gave_no_answer_is_ignored() -> None:
    """No module, and an error: a failed probe is no record."""
    batch = read(grab("ssh", {}) + lines({"ip": "192.0.2.14", "data": {}, "error": "timeout"}))
    assert (len(batch.discoveries), batch.ignored, batch.rejects) == (1, 1, [])


@pytest.mark.parametrize("gap", ["\t", "      "])
@pytest.mark.parametrize("name", [" ()", " (a.example.com)", ""])
def test_a_grepable_output_copied_from_a_terminal(gap: str, name: str) -> None:
    """Blanks stand for its tabs, and people leave the name's brackets out.

    Break: `_BLANKS`, or the optional name in nmap/grepable.py.
    """
    start = "# Nmap 7.92 scan initiated Mon Sep 12 12:20:45 2022 as: nmap -sV -oG x 192.0.2.1\n"
    rest = f"22/open/tcp//ssh//OpenSSH 8.9p1/{gap}Ignored State: closed (9){gap}OS: Linux 3.13"
    batch = read(
        f"{start}Host: 192.0.2.1{name}{gap}Status: Up\nHost: 192.0.2.1{name}{gap}Ports: {rest}\n", "nmap-grepable"
    )
    assert services(batch) == {("192.0.2.1", 22): ("ssh", "OpenSSH", "8.9p1")}
    assert {"os": "Linux 3.13"} in about(batch)
    assert not batch.rejects


def test_old_words_of_nmap() -> None:
    """`Starting nmap 3.75`, a name without a blank behind it, `Nmap run completed`: the time and the host are read.

    Break: the small letter in `_TIME`, or the blank of `_TARGET` in nmap/normal.py.
    """
    batch = read(
        "Starting nmap 3.75 ( http://www.insecure.org/nmap/ ) at 2005-07-27 14:41 CEST\n"
        "Interesting ports on a.example.com(192.0.2.1):\nPORT STATE SERVICE\n22/tcp open ssh\n\n"
        "Nmap run completed -- 1 IP address (1 host up) scanned in 27.881 seconds\n"
    )
    assert ports(batch) == [("192.0.2.1", "tcp", 22)]
    assert batch.discoveries[0][5] == 1122468060.0


def test_several_discovered_ports_on_a_line() -> None:
    """What a terminal filled up with blanks is one line when it is copied.

    Break: `finditer` in nmap/normal.py.
    """
    several = "      ".join(f"Discovered open port {port}/tcp on 192.0.2.1" for port in (993, 143, 22))
    batch = read(f"Starting Nmap 7.92 ( https://nmap.org ) at 2022-06-26 15:34 EDT\n{several}\n", "nmap-normal")
    assert ports(batch) == [("192.0.2.1", "tcp", port) for port in (993, 143, 22)]


# httpx and Shodan ----------------------------------------------------------------------------------------------------


def test_httpx_without_port_and_input() -> None:
    """The first versions, and many exports: the URL has the scheme and the port.

    Break: `_scheme_and_port` in projectdiscovery/httpx.py.
    """
    base = {"host": "192.0.2.1", "status_code": 200, "title": "x", "webserver": "nginx"}
    batch = read(
        lines(*({**base, "url": url} for url in ("https://192.0.2.1", "http://[2001:db8::1]:8080/a"))), "httpx"
    )
    assert services(batch) == {
        ("192.0.2.1", 443): ("https", "nginx", None),
        ("192.0.2.1", 8080): ("http", "nginx", None),
    }


def test_a_host_of_shodan_has_more_than_its_banners() -> None:
    """Ports without a banner, and what is known about the host.

    Break: `_rest` in shodan.py.
    """
    banner = {"port": 53, "transport": "udp", "timestamp": "2021-01-22T08:49:35", "_shodan": {"module": "dns-udp"}}
    host = {"ip_str": "192.0.2.1", "data": [banner], "ports": [53, 443], "tags": ["cloud"], "os": "Linux"}
    batch = read(lines(host), "shodan")
    assert ports(batch) == [("192.0.2.1", "udp", 53), ("192.0.2.1", "tcp", 443), ("192.0.2.1", "ip", 0)]
    assert about(batch)[-1] == {"tags": ["cloud"], "os": "Linux"}


# Reports, zgrab2, Censys ---------------------------------------------------------------------------------------------


def test_an_old_report_of_nessus_has_local_times() -> None:
    """Before version 6 there is no HOST_END_TIMESTAMP.

    Break: `asctime` in reports/nessus.py.
    """
    tags = "".join(f'<tag name="HOST_{end}">Mon Jun 12 1{n}:30:00 2023</tag>' for n, end in ((4, "START"), (5, "END")))
    host = f'<ReportHost name="192.0.2.1"><HostProperties>{tags}</HostProperties></ReportHost>'
    batch = read(
        f'<?xml version="1.0" ?>\n<NessusClientData_v2>\n<Report name="x">{host}\n</Report>\n</NessusClientData_v2>\n'
    )
    assert time.localtime(batch.discoveries[0][5])[:5] == (2023, 6, 12, 15, 30)


def test_a_record_of_zgrab2_may_have_the_time_of_its_modules() -> None:
    """Some exports put the time beside the address; a status line may have its protocol; a name is as old as its answer.

    Break: the record's time, the status, or the name's time in zgrab2/.
    """
    response = {"status_line": "HTTP/1.1 200 OK", "status_code": 200, "headers": {"server": ["nginx"]}}
    module = {"status": "success", "port": 80, "result": {"response": response}}
    when = "2026-04-01T12:00:00Z"
    batch = read(lines({"ip": "192.0.2.1", "domain": "a.example.com", "timestamp": when, "data": {"http": module}}))
    assert batch.discoveries[0][5] == 1775044800.0
    assert [each.observed_at for each in batch.hostnames] == [1775044800.0]
    assert [each.banner for each in batch.banners] == [b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"]


def test_a_host_of_the_platform_of_censys_is_as_old_as_its_services() -> None:
    """Its documents have no time of their own, and the fingerprint stands beside the chain.

    Break: the time of the host, or `tls.fingerprint_sha256` in censys.py.
    """
    service = {"port": 443, "protocol": "HTTP", "transport_protocol": "tcp", "scan_time": "2026-04-10T03:23:08Z"}
    host = {"ip": "192.0.2.1", "services": [{**service, "tls": {"fingerprint_sha256": "a7" * 32}}]}
    batch = read(lines({"host": host}), "censys")
    assert {row[5] for row in batch.discoveries} == {1775791388.0}
    assert [each.fingerprint for each in batch.sightings] == ["a7" * 32]


def test_tlsx_of_early_versions() -> None:
    """They write no `probe_status`, and the target as it was given.

    Break: `owns`, or the host of a URL in projectdiscovery/tlsx.py.
    """
    record = {"host": "https://a.example.com:443", "ip": "192.0.2.1", "port": "443", "subject_cn": "b.example.com"}
    batch = read(lines({**record, "tls_version": "tls13", "subject_an": ["b.example.com"]}), "tlsx")
    assert services(batch) == {("192.0.2.1", 443): ("tls", None, None)}
    assert {each.name for each in batch.hostnames} == {"a.example.com", "b.example.com"}


def test_ports_of_rustscan_are_as_old_as_the_scan_behind_them() -> None:
    """Its own lines have no time: a file of last year does not confirm its ports today.

    Break: `_flush_open`, or the prefix of the line in rustscan.py.
    """
    batch = read(
        "Open 192.0.2.1:22\nOpen 192.0.2.1:80\n[~] Starting Script(s)\n"
        "[~] Starting Nmap 7.94SVN ( https://nmap.org ) at 2024-08-26 10:56 PDT\n"
        "Nmap scan report for 192.0.2.1\nHost is up (0.076s latency).\nPORT STATE SERVICE\n22/tcp open ssh\n",
        "rustscan",
    )
    assert [(row[3], row[5]) for row in batch.discoveries] == [(port, 1724694960.0) for port in (22, 80, 22)]
    assert ports(read("Open 192.0.2.1:22\n", "rustscan")) == [("192.0.2.1", "tcp", 22)]
