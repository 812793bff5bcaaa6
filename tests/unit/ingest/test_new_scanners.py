"""Scanners and sensors beside the classic ones: nmap's normal output, Shodan, reports, flows, logs of firewalls."""

import json
from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named, recognise
from tests.support.records import connections, details, names

NOW = 1_800_000_000.0


def read(name: str, text: str | bytes) -> Batch:
    """Recognise and read an input, which must be of a format; in two pieces, as a pipe has it."""
    data = text.encode() if isinstance(text, str) else text
    chosen = recognise(data)
    assert (chosen.name if chosen else None) == name
    parser = named(name)()
    batch = Batch(7, NOW, parser.tool)
    cut = parser.split(data)
    parser.parse(data[:cut], 0, batch)
    parser.parse(data[cut:], cut, batch)
    return batch


def services(batch: Batch) -> set[tuple[Any, ...]]:
    """Return (address, protocol, port, service, product, version) of what is known about ports."""
    return {
        (each.address, each.protocol, each.port, each.service, each.product, each.version) for each in batch.banners
    }


def ports(batch: Batch) -> set[tuple[str, str, int]]:
    """Return (address, protocol, port) of all discoveries of ports."""
    return {(row[1], row[2], row[3]) for row in batch.discoveries if row[3]}


def about(batch: Batch, port: int = 0) -> dict[str, Any]:
    """Return the details of the discovery of a port, or of a host."""
    return next((json.loads(row[-1]) for row in batch.discoveries if row[3] == port and row[-1]), {})


# nmap: one scan, as `nmap -sV -v -oA` wrote it ------------------------------------------------------------------------

TERMINAL = """Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-26 23:04 UTC
NSE: Loaded 45 scripts for scanning.
Initiating SYN Stealth Scan at 23:04
Scanning www.example.com (192.0.2.10) [3 ports]
Discovered open port 18080/tcp on 192.0.2.10
Completed SYN Stealth Scan at 23:04, 0.01s elapsed (3 total ports)
"""
TABLE = """Nmap scan report for www.example.com (192.0.2.10)
Host is up (0.00016s latency).

PORT      STATE  SERVICE  VERSION
443/tcp   open   ssl/http nginx 1.18.0
18080/tcp open   http     SimpleHTTPServer 0.6 (Python 3.11.7)
18081/tcp closed unknown
MAC Address: 00:00:5E:00:53:10 (Example Systems)

Read data files from: /usr/bin/../share/nmap
Service detection performed. Please report any incorrect results at https://nmap.org/submit/ .
"""
NORMAL = (
    "# Nmap 7.93 scan initiated Thu Nov 26 23:04:31 2026 as: nmap -sV -p 18080,18081,443 -oA triple -v 192.0.2.10\n"
    + TABLE
    + "# Nmap done at Thu Nov 26 23:04:39 2026 -- 1 IP address (1 host up) scanned in 8.12 seconds\n"
)
GREPABLE = """# Nmap 7.93 scan initiated Thu Nov 26 23:04:31 2026 as: nmap -sV -p 18080,18081,443 -oA triple -v 192.0.2.10
# Ports scanned: TCP(3;443,18080-18081) UDP(0;) SCTP(0;) PROTOCOLS(0;)
Host: 192.0.2.10 (www.example.com)\tStatus: Up
Host: 192.0.2.10 (www.example.com)\tPorts: 443/open/tcp//ssl|http//nginx 1.18.0/, 18080/open/tcp//http//SimpleHTTPServer 0.6 (Python 3.11.7)/, 18081/closed/tcp/////
# Nmap done at Thu Nov 26 23:04:39 2026 -- 1 IP address (1 host up) scanned in 8.12 seconds
"""
XML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -sV -p 18080,18081,443 -oA triple -v 192.0.2.10" start="1795734271" version="7.93" xmloutputversion="1.05">
<host starttime="1795734273" endtime="1795734279"><status state="up" reason="arp-response" reason_ttl="0"/>
<address addr="192.0.2.10" addrtype="ipv4"/><address addr="00:00:5E:00:53:10" addrtype="mac" vendor="Example Systems"/>
<hostnames><hostname name="www.example.com" type="PTR"/></hostnames>
<ports><port protocol="tcp" portid="443"><state state="open" reason="syn-ack" reason_ttl="64"/><service name="http" product="nginx" version="1.18.0" tunnel="ssl" method="probed" conf="10"><cpe>cpe:/a:igor_sysoev:nginx:1.18.0</cpe></service></port>
<port protocol="tcp" portid="18080"><state state="open" reason="syn-ack" reason_ttl="64"/><service name="http" product="SimpleHTTPServer" version="0.6" extrainfo="Python 3.11.7" method="probed" conf="10"><cpe>cpe:/a:python:simplehttpserver:0.6</cpe></service></port>
<port protocol="tcp" portid="18081"><state state="closed" reason="reset" reason_ttl="64"/></port>
</ports></host>
<runstats><finished time="1795734279" exit="success"/><hosts up="1" down="0" total="1"/></runstats>
</nmaprun>
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nmap-normal", NORMAL),
        ("nmap-normal", TERMINAL + TABLE + "Nmap done: 1 IP address (1 host up) scanned in 8.12 seconds\n"),
        ("nmap-normal", TERMINAL + TABLE),
        ("nmap-normal", NORMAL.replace("\n", "\r\n")),
        ("nmap-grepable", GREPABLE),
        ("nmap-xml", XML),
    ],
    ids=["-oN", "terminal", "stopped", "Windows", "-oG", "-oX"],
)
def test_every_output_of_one_scan_has_the_same_facts(name: str, text: str) -> None:
    """Ports, services, products, versions and names; the MAC address where the output has it."""
    batch = read(name, text)
    assert batch.rejects == []
    assert services(batch) == {
        ("192.0.2.10", "tcp", 443, "https", "nginx", "1.18.0"),
        ("192.0.2.10", "tcp", 18080, "http", "SimpleHTTPServer", "0.6"),
    }
    assert ports(batch) == {("192.0.2.10", "tcp", 443), ("192.0.2.10", "tcp", 18080)}
    assert names(batch) == {("192.0.2.10", "www.example.com", "ptr")}
    if name != "nmap-grepable":
        assert [(each.address, each.mac, each.vendor) for each in batch.hardware_addresses] == [
            ("192.0.2.10", "00:00:5e:00:53:10", "Example Systems")
        ]
    assert about(batch, 18080)["extrainfo"] == "Python 3.11.7"


def test_a_scan_without_versions_guesses_services_from_ports() -> None:
    """The guess is kept in the details, and is no service; scripts are kept too, and a host that is up is a host."""
    text = """# Nmap 7.93 scan initiated Thu Nov 26 16:26:22 2026 as: nmap -oN scan.nmap 192.0.2.0/29
Nmap scan report for 192.0.2.1
Host is up (0.0010s latency).
PORT   STATE SERVICE
80/tcp open  http
| http-title: Welcome
|_Requested resource was /login
Nmap scan report for 192.0.2.2
Host is up.
Nmap scan report for 192.0.2.3 [host down]
# Nmap done at Thu Nov 26 16:28:28 2026 -- 8 IP addresses (2 hosts up) scanned in 12.47 seconds
"""
    batch = read("nmap-normal", text)
    assert services(batch) == set()
    assert about(batch, 80) == {
        "service_by_port": "http",
        "scripts": {"http-title": "Welcome\nRequested resource was /login"},
    }
    assert [row[1:4] for row in batch.discoveries] == [("192.0.2.1", "tcp", 80), ("192.0.2.2", "ip", 0)]
    assert batch.ignored == 1


def test_hosts_of_a_ping_scan_are_hosts() -> None:
    """With names of a local network, which have no dot."""
    host = '<host><status state="up" reason="arp-response"/><address addr="{}" addrtype="ipv4"/><hostnames><hostname name="{}" type="PTR"/></hostnames></host>'
    hosts = host.format("192.168.1.1", "router") + host.format("8.8.8.8", "router")
    batch = read("nmap-xml", f'<nmaprun scanner="nmap">{hosts}</nmaprun>')
    assert [row[1:4] for row in batch.discoveries] == [("192.168.1.1", "ip", 0), ("8.8.8.8", "ip", 0)]
    assert names(batch) == {("192.168.1.1", "router", "ptr")}


def test_rustscan() -> None:
    """Its own lines, with nmap's behind them, and the short form."""
    text = "Open 192.0.2.10:443\nOpen 192.0.2.10:18080\n[~] Starting Script(s)\n\n" + TERMINAL + TABLE
    batch = read("rustscan", text)
    assert ports(batch) == {("192.0.2.10", "tcp", 443), ("192.0.2.10", "tcp", 18080)}
    assert len(services(batch)) == 2
    assert ports(read("rustscan", "192.0.2.10 -> [22,80]\n")) == {("192.0.2.10", "tcp", 22), ("192.0.2.10", "tcp", 80)}


# Others ----------------------------------------------------------------------------------------------------------------

SHODAN = {
    "ip": 3221225994, "port": 443, "transport": "tcp", "ip_str": "192.0.2.10", "timestamp": "2026-03-15T22:57:45.950793",
    "hostnames": ["www.example.com"], "product": "nginx", "version": "1.18.0", "data": "HTTP/1.1 200 OK\r\nServer: nginx\r\n",
    "_shodan": {"module": "https"}, "cpe": ["cpe:/a:f5:nginx:1.18.0"], "http": {"title": "Welcome"}, "os": None,
    "ssl": {"jarm": "2ad2ad", "cert": {"subject": {"CN": "example.com"}}, "versions": ["TLSv1.3"]},
}  # fmt: skip


def test_shodan() -> None:
    """Banners, hosts with banners and InternetDB; all that has no column is kept, and nothing is a scan of the user's."""
    batch = read("shodan", json.dumps(SHODAN) + "\n")
    expected = {("192.0.2.10", "tcp", 443, "https", "nginx", "1.18.0")}
    assert services(batch) == expected
    assert names(batch) == {("192.0.2.10", "www.example.com", "shodan"), ("192.0.2.10", "example.com", "certificate")}
    kept = about(batch, 443)
    assert (kept["http"]["title"], kept["ssl"]["jarm"], kept["cpe"]) == (
        "Welcome",
        "2ad2ad",
        ["cpe:/a:f5:nginx:1.18.0"],
    )
    assert batch.in_traffic == {("192.0.2.10", "tcp", 443)}
    banner = {name: value for name, value in SHODAN.items() if name not in {"ip_str", "ip"}}
    host = {"ip_str": "192.0.2.10", "ports": [443], "hostnames": [], "data": [banner]}
    assert services(read("shodan", json.dumps(host, indent=2))) == expected
    short = {
        "ip": "192.0.2.10",
        "ports": [22, 80],
        "cpes": [],
        "hostnames": ["www.example.com"],
        "tags": [],
        "vulns": [],
    }
    assert ports(read("shodan", json.dumps(short))) == {("192.0.2.10", "tcp", 22), ("192.0.2.10", "tcp", 80)}


NESSUS = """<?xml version="1.0" ?>
<NessusClientData_v2><Policy><policyName>Basic</policyName></Policy><Report name="lan">
<ReportHost name="192.0.2.10"><HostProperties><tag name="HOST_END">Thu Nov 26 16:28:28 2026</tag><tag name="host-ip">192.0.2.10</tag>
<tag name="host-fqdn">www.example.com</tag><tag name="mac-address">00:00:5E:00:53:10</tag><tag name="operating-system">Linux</tag>
<tag name="cpe-0">cpe:/o:linux:linux_kernel</tag></HostProperties>
<ReportItem port="0" svc_name="general" protocol="tcp" severity="0" pluginID="19506" pluginName="Scan Information"></ReportItem>
<ReportItem port="22" svc_name="ssh" protocol="tcp" severity="0" pluginID="10267"><cpe>cpe:/a:openbsd:openssh</cpe></ReportItem>
<ReportItem port="22" svc_name="ssh" protocol="tcp" severity="2" pluginID="70658"></ReportItem>
<ReportItem port="443" svc_name="www" protocol="tcp" severity="0" pluginID="10107"></ReportItem>
<ReportItem port="3306" svc_name="mysql?" protocol="tcp" severity="0" pluginID="11219"></ReportItem>
</ReportHost></Report></NessusClientData_v2>
"""
OPENVAS = """<report id="1" format_id="2" content_type="text/xml"><report id="1"><scan_start>2026-11-26T16:26:22Z</scan_start>
<ports><count>1</count><port><host>192.0.2.10</host>22/tcp<severity>0.0</severity></port></ports>
<results start="1"><result id="a"><name>SSH</name><host>192.0.2.10<asset asset_id="b"/><hostname>www.example.com</hostname></host><port>22/tcp</port><creation_time>2026-11-26T16:27:00Z</creation_time></result>
<result id="c"><name>OS</name><host>192.0.2.10</host><port>general/tcp</port></result></results>
<host><ip>192.0.2.10</ip><start>2026-11-26T16:26:22Z</start><end>2026-11-26T16:28:28Z</end>
<detail><name>best_os_cpe</name><value>cpe:/o:linux:kernel</value></detail><detail><name>MAC</name><value>00:00:5E:00:53:10</value></detail></host>
</report></report>
"""


def test_reports_of_vulnerability_scanners() -> None:
    """Hosts, ports, services, CPE and MAC addresses; a service with a question mark is a guess."""
    batch = read("nessus", NESSUS)
    assert ports(batch) == {("192.0.2.10", "tcp", port) for port in (22, 443, 3306)}
    assert {each[2:4] for each in services(batch)} == {(22, "ssh"), (443, "http")}
    assert about(batch)["cpe"] == ["cpe:/o:linux:linux_kernel"]
    assert about(batch, 3306) == {"service_by_port": "mysql"}
    openvas = read("openvas", OPENVAS)
    assert ports(openvas) == {("192.0.2.10", "tcp", 22)}
    assert about(openvas)["best_os_cpe"] == ["cpe:/o:linux:kernel"]
    for each in (batch, openvas):
        assert [(one.address, one.mac) for one in each.hardware_addresses] == [("192.0.2.10", "00:00:5e:00:53:10")]
        assert names(each) == {("192.0.2.10", "www.example.com", "ptr")}
        assert each.rejects == []


@pytest.mark.parametrize("cut", range(60, len(NESSUS), 131))
def test_a_cut_report_is_one_reject_at_most(cut: int) -> None:
    """Wherever the file ends."""
    batch = Batch(7, NOW)
    named("nessus")().parse(NESSUS[:cut].encode(), 0, batch)
    assert len(batch.rejects) <= 1


def test_arp_scan() -> None:
    """A host of the local network, with MAC address and vendor; what frames the list is no record."""
    text = """Interface: eth0, type: EN10MB, MAC: 00:00:5e:00:53:01, IPv4: 192.0.2.2
Starting arp-scan 1.9.7 with 256 hosts (https://github.com/royhills/arp-scan)
192.0.2.1\t00:00:5e:00:53:07\tExample Systems
192.0.2.9\t00:00:5e:00:53:09\t(Unknown: locally administered)

2 packets received by filter, 0 packets dropped by kernel
Ending arp-scan 1.9.7: 256 hosts scanned in 1.876 seconds (136.46 hosts/sec). 2 responded
"""
    batch = read("arp-scan", text)
    assert [(each.address, each.mac, each.vendor) for each in batch.hardware_addresses] == [
        ("192.0.2.1", "00:00:5e:00:53:07", "Example Systems"),
        ("192.0.2.9", "00:00:5e:00:53:09", None),
    ]
    assert [row[1:4] for row in batch.discoveries] == [("192.0.2.1", "arp", 0), ("192.0.2.9", "arp", 0)]
    assert batch.records == 2


def test_dnsx_names_addresses() -> None:
    """Resolving a name is no scan."""
    line = {"host": "www.example.com", "resolver": ["192.0.2.53:53"], "a": ["203.0.113.80"], "aaaa": ["2001:db8::80"]}
    batch = read("dnsx", json.dumps({**line, "status_code": "NOERROR", "timestamp": "2026-01-02T03:04:05Z"}) + "\n")
    assert names(batch) == {("203.0.113.80", "www.example.com", "dns"), ("2001:db8::80", "www.example.com", "dns")}
    assert {row[1:4] for row in batch.discoveries} == batch.in_traffic
    nothing = {"host": "x.example.com", "resolver": ["192.0.2.53:53"], "status_code": "NXDOMAIN"}
    assert read("dnsx", json.dumps(nothing) + "\n").ignored == 1


def test_naabu_csv() -> None:
    """By its header."""
    batch = read(
        "naabu-csv",
        "host,ip,timestamp,port,protocol,tls,cdn,cdn-name\nwww.example.com,192.0.2.10,2026-01-02T03:04:05Z,443,tcp,false,,\n",
    )
    assert ports(batch) == {("192.0.2.10", "tcp", 443)}
    assert names(batch) == {("192.0.2.10", "www.example.com", "naabu")}


# Flows and firewalls -----------------------------------------------------------------------------------------------------

WEB = ("192.0.2.2", 49784, "203.0.113.80", 80, "tcp")
FLOWS = [
    ("argus-csv", "stime,proto,saddr,sport,daddr,dport,state\n1526344121.18,tcp,192.0.2.2,49784,203.0.113.80,80,CON\n"),
    ("argus-csv", "StartTime,Flgs,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,TotPkts,TotBytes,State\n2018-05-15 00:28:41.18, e ,tcp,203.0.113.80,80,<-,192.0.2.2,49784,9,1000,CON\n"),
    ("nfdump-csv", "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt\n2018-05-15 00:28:41,2018-05-15 00:28:42,1.0,192.0.2.2,203.0.113.80,49784,80,TCP,...AP.SF,0,0,9,1000,0,0\nSummary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n1,1000,9,8000,9,111\n"),
    ("nfdump-csv", "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,bps,bpp,flows\n2018-05-15 00:28:41.180,1.0,TCP,203.0.113.80,80,192.0.2.2,49784,9,1000,8000,111,1\n"),
    ("nfdump-json", json.dumps([{"type": "FLOW", "first": "2018-05-15T00:28:41.180", "proto": 6, "src4_addr": "192.0.2.2", "dst4_addr": "203.0.113.80", "src_port": 49784, "dst_port": 80, "in_packets": 9}], indent=2)),
    ("vpc-flow-log", "2 123456789010 eni-1235b8ca123456789 192.0.2.2 203.0.113.80 49784 80 6 20 4249 1526344121 1526344181 ACCEPT OK\n2 123456789010 eni-1235b8ca123456789 203.0.113.80 192.0.2.2 80 49784 6 20 4249 1526344121 1526344181 ACCEPT OK\n2 123456789010 eni-1235b8ca123456789 - - - - - - - 1526344121 1526344181 - NODATA\n"),
    ("vpc-flow-log", "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n2 123456789010 eni-1 192.0.2.2 203.0.113.80 49784 80 6 20 4249 1526344121 1526344181 ACCEPT OK\n"),
    ("iptables", "Jan  2 06:13:36 gw kernel: [12345.678901] [UFW BLOCK] IN=eth0 OUT= MAC=00:00:5e:00:53:01:00:00:5e:00:53:02:08:00 SRC=192.0.2.2 DST=203.0.113.80 LEN=60 TOS=0x00 PREC=0x00 TTL=51 ID=1 DF PROTO=TCP SPT=49784 DPT=80 WINDOW=64240 RES=0x00 SYN URGP=0\n"),
    ("pfsense", "Jan  2 06:13:36 fw filterlog[12345]: 5,,,1000000103,em0,match,block,in,4,0x0,,64,0,0,DF,6,tcp,60,192.0.2.2,203.0.113.80,49784,80,0,S,1234,,64240,,mss\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), FLOWS)
def test_flows_are_connections_and_no_scan(name: str, text: str) -> None:
    """The client is the source, whichever direction the line has; nothing is discovered."""
    batch = read(name, text)
    assert batch.rejects == []
    assert connections(batch) == [WEB]
    assert batch.discoveries == []


def test_what_a_firewall_did_is_kept() -> None:
    """The rule and the interfaces."""
    kept = details(read("iptables", FLOWS[-2][1]))[0]
    assert (kept["rule"], kept["in"], kept["flags"]) == ("UFW BLOCK", "eth0", ["SYN"])
    kept = details(read("pfsense", FLOWS[-1][1]))[0]
    assert (kept["action"], kept["interface"]) == ("block", "em0")
