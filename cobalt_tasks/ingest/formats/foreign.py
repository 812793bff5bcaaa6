"""Forms that are known and not read: what to do about each."""

import re
from collections.abc import Sequence
from typing import Final

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.ingest.streams import packet_capture

_HEADERLESS: Final = (
    "rows of addresses without a header; tshark writes one with -E header=y: "
    "tshark -r FILE -T fields -E header=y -e frame.time_epoch -e ip.src -e ip.dst -e tcp.dstport"
)
_STARTS: Final[Sequence[tuple[tuple[bytes, ...], str]]] = (
    (
        packet_capture.MAGIC,
        "it is a packet capture; name the file instead of a pipe, or turn it into text: tshark -r FILE -T ek | cobalt ingest -",
    ),
    ((b"\x0c\xa5", b"\xa5\x0c"), "it is a file of nfdump; turn it into text: nfdump -r FILE -o csv | cobalt ingest -"),
    (
        (b"\x10\x00\x00\x20", b"\x83\x10\x00\x20"),
        "it is a file of argus; turn it into text: ra -r FILE -c , | cobalt ingest -",
    ),
    ((b"PK\x03\x04",), "it is a zip archive; unpack it first: unzip FILE"),
    ((b"ustar", b"\x37\x7a\xbc\xaf\x27\x1c"), "it is an archive; unpack it first"),
    ((b"SQLite format 3",), "it is an SQLite database; export what is in it as text first"),
    ((b"ElfFile\x00",), "it is a Windows event log, which holds no connections"),
    ((b"%PDF", b"{\\rtf"), "it is a document for people; export the data in another form"),
    ((b"<!DOCTYPE html", b"<html", b"<!doctype html"), "it is a web page; export the data in another form"),
)
_LINES: Final[Sequence[tuple[re.Pattern[bytes], str]]] = (
    (
        re.compile(rb"Date first seen +"),
        "it is nfdump's text for people; use its other form: nfdump -r FILE -o csv | cobalt ingest -",
    ),
    (
        re.compile(rb"\d{9,10}\.\d+\tC\w{1,20}\t\S+\t\d+\t"),
        "it is a log of Zeek without the lines with # at its start; keep them (zeek-cut -c does)",
    ),
    (
        re.compile(rb"\d\d/\d\d(?:/\d{2,4})?-\d\d:\d\d:\d\d\.\d+ +\[\*\*\] "),
        "it is the short log of alerts, which is not read; Suricata's eve.json has the same and more",
    ),
    (
        re.compile(rb"IP,Hostname,Port,Port Protocol,"),
        "it is a report of OpenVAS as CSV, which is not read; export it as XML",
    ),
    (re.compile(rb"IP,Port,Timestamp,Data,"), "it is Shodan's CSV, which is not read; use its JSON: shodan download"),
    (
        re.compile(rb"\[\*\] Nmap: "),
        "it is nmap's output as Metasploit prints it; take off its mark: sed 's/^\\[\\*\\] Nmap: //' FILE | cobalt ingest -",
    ),
    (
        re.compile(rb'\{\s*"took"\s*:'),
        "it is an answer of Elasticsearch without documents of connections: flows in Elastic's schema, Packetbeat's, EVE's and Zeek's are read",
    ),
    (
        re.compile(rb"lease \{$"),
        "it is the list of a DHCP client's own leases; the server's list (dhcpd.leases) has the hosts of the network",
    ),
    (re.compile(rb"(?i)Starting Nmap .*nmap\.[o0]rg"), "it is nmap's output for fun (-oS); use -oX"),
    (re.compile(rb"sl +local_address +rem(?:ote)?_address"), "it is the kernel's own table; use ss -tunap"),
    (
        re.compile(rb"\[[\d/]+ [\d:]+\] mod=[\w+]+\|cli="),
        "it is a log of p0f, which is not read; a packet capture or Zeek's logs are",
    ),
    (
        re.compile(rb".*(?:%(?:ASA|FTD)-\d-\d{6}: |,TRAFFIC,)|#Software: Microsoft Windows Firewall"),
        "it is a log of a firewall that is not read; CEF and LEEF, which most can send, are, and the logs of iptables, nftables, UFW, pfSense and FortiGate",
    ),
    (
        re.compile(rb"Flow Record:"),
        "it is nfdump's raw text; use its other form: nfdump -r FILE -o csv | cobalt ingest -",
    ),
    (
        re.compile(rb"\d+ (?:- )?(?:\d{12} )?tgw-"),
        "it is a flow log of a transit gateway; put a header before it: the names of its fields, as the flow log's format has them",
    ),
    (
        re.compile(rb"[2-9] (?:\d{1,12} (?:eni-\S+|-)|(?:vpc|subnet|i|eni)-\w+) "),
        "it is a VPC flow log in a form of its own; put a header before it: the names of its fields, as the flow log's format has them",
    ),
    (
        re.compile(rb"\S+ \(\d+\.\d+\.\d+\.\d+\) at |\S+ dev \S+ (?:lladdr|FAILED|INCOMPLETE)|Address +HWtype"),
        "it is a table of neighbours, which is not read; arp-scan -l | cobalt ingest - has the same hosts",
    ),
    (
        re.compile(rb"https?://\S+ \[[^\]]*\]|\S+ \[(?:A|AAAA|CNAME|PTR|MX|NS|TXT)\] \[|\S+:\d+ \[(?:tls|ssl)\d"),
        "it is the text for people of httpx, dnsx or tlsx; use their other form: -json",
    ),
    (
        re.compile(rb"\[[\w:.-]+\] \[\w+\] \[(?:info|low|medium|high|critical|unknown)\] "),
        "it is nuclei's text for people; use its other form: nuclei -jsonl",
    ),
    (re.compile(rb"p\d+$"), "it is lsof's form for programs (-F); use its table: lsof -nP -i"),
    (
        re.compile(rb"StartTime +Flgs +Proto"),
        "it is argus's text for people; use its other form: ra -n -r FILE -c , | cobalt ingest -",
    ),
    (
        re.compile(rb"(?:[\d-]+ )?\d\d:\d\d:\d\d\.\d+ (?:IP6? |ARP, |\w+ (?:In|Out|B|M|P) +IP)"),
        "it is tcpdump's text; write the packets instead: tcpdump -w FILE.pcap, then cobalt ingest FILE.pcap",
    ),
    (
        re.compile(rb"\d+\.\d+ +\d+ \S+ [A-Z_]+/\d{3} \d+ [A-Z]+ "),
        "it is an access log of Squid, which is not read; a packet capture or Zeek's logs are",
    ),
    (
        re.compile(rb'\S+ \S+ \S+ \[\d\d/\w{3}/\d{4}:[^\]]*\] "'),
        "it is the access log of a web server, which is not read; a packet capture or Zeek's logs are",
    ),
    (
        re.compile(rb"Internet Assigned|Kernel Interface table|Routing tables|Kernel IP routing table"),
        "it is netstat without connections; use netstat -an",
    ),
    (re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----"), "certificates alone name no host; tlsx -json has both"),
)
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_MOST_LINES: Final = 20
_MOST_BYTES: Final = 64 * 1024


def advice(sample: bytes) -> str | None:
    """Return what to do about an input that is known and not read, by its start; None if it is not known."""
    stripped = sample[:_MOST_BYTES].lstrip()
    for starts, message in _STARTS:
        if sample.startswith(starts) or stripped.startswith(starts):
            return message
    plain = _COLOUR.sub(b"", sample[:_MOST_BYTES])
    lines = [line.strip() for line in plain.split(b"\n", _MOST_LINES)[:_MOST_LINES] if line.strip()]
    for pattern, message in _LINES:
        if any(pattern.match(line) for line in lines):
            return message
    return _HEADERLESS if lines and all(map(_is_row_of_addresses, lines[:3])) else None


def _is_row_of_addresses(line: bytes) -> bool:
    if line.startswith((b"{", b"[{")):
        return False
    cells = [cell.strip('" ') for cell in re.split(r"[\t,;|]", line[:1024].decode("utf-8", "replace"))]
    return sum(1 for cell in cells if cell and canonical(cell) is not None) >= 2  # noqa: PLR2004  # both ends
