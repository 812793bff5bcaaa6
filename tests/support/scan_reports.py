"""Reports of scans in the formats of nmap, masscan, naabu and zmap, whole, cut or failed."""

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

Target = tuple[str, int]
"""Address and port."""


@dataclass
class Scan:
    """What one scan reports: open and closed ports, and what it covers."""

    form: str
    at: int
    covered: tuple[int, int] = (1, 10000)
    ended: bool = True
    open: dict[Target, str] = field(default_factory=dict)
    closed: list[Target] = field(default_factory=list)
    rest_closed: set[str] = field(default_factory=set)
    networks: tuple[str, ...] = ()

    @property
    def names_hosts(self) -> bool:
        """Whether the format itself reports which hosts were scanned to their end."""
        return self.form.startswith("nmap")

    @property
    def coverage(self) -> str:
        """What `--covers` names."""
        return f"{','.join(f'{each}.0/24' for each in self.networks)}:{self.covered[0]}-{self.covered[1]}"

    def hosts(self) -> list[str]:
        """Return the hosts that it lists."""
        return sorted({address for address, _ in (*self.open, *self.closed)})


LISTS = ("naabu-json", "zmap-csv")
"""Formats that list open ports, and nothing else."""

FORMS = (
    *("nmap-xml", "nmap-grepable", "nmap-normal"),
    *("masscan-list", "masscan-json", "masscan-xml", "masscan-grepable"),
    *LISTS,
)


def written(scan: Scan, draw: random.Random) -> str:
    """Return the report of a scan in its format; one that did not end well is cut, or failed."""
    if scan.form.startswith("nmap"):
        return NMAP[scan.form](scan, draw)
    if scan.form in LISTS:
        return LISTED[scan.form](scan)
    states = [(target, "open") for target in scan.open] + [(target, "closed") for target in scan.closed]
    draw.shuffle(states)
    return MASSCAN[scan.form](scan, states)


def nmap_xml(scan: Scan, draw: random.Random) -> str:
    """Return nmap's XML."""
    first, last = scan.covered
    text = f'<?xml version="1.0"?>\n<nmaprun scanner="nmap" start="{scan.at}">\n<scaninfo type="syn" protocol="tcp" services="{first}-{last}"/>\n'
    for address in scan.hosts():
        rest = f'<extraports state="{"closed" if address in scan.rest_closed else "filtered"}" count="9"/>'
        text += f'<host starttime="{scan.at - 5}" endtime="{scan.at}"><status state="up"/><address addr="{address}" addrtype="ipv4"/><ports>{rest}'
        for (_, port), version in of(scan.open.items(), address):
            service = f'<service name="ssh" product="OpenSSH" version="{version}" method="probed"/>' if version else ""
            text += f'<port protocol="tcp" portid="{port}"><state state="open"/>{service}</port>'
        for (_, port), _ in of(((each, "") for each in scan.closed), address):
            text += f'<port protocol="tcp" portid="{port}"><state state="closed"/></port>'
        text += "</ports></host>\n"
    end = '<runstats><finished time="1" exit="{}"/></runstats></nmaprun>\n'
    return text + (end.format("success") if scan.ended else end.format("error") if draw.random() < 0.5 else "")


def of(items: Iterable[tuple[Target, str]], address: str) -> list[tuple[Target, str]]:
    """Return those of the ports that are of one host."""
    return [each for each in items if each[0][0] == address]


def nmap_head(scan: Scan, option: str) -> str:
    """Return the first line of nmap's text outputs."""
    when = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(scan.at))
    return f"# Nmap 7.93 scan initiated {when} as: nmap -p {scan.covered[0]}-{scan.covered[1]} {option} out 198.18.0.0/16\n"


NMAP_END = "# Nmap done at Thu Oct 30 08:53:30 2025 -- 9 IP addresses (9 hosts up) scanned in 0.11 seconds\n"


def nmap_grepable(scan: Scan, _draw: random.Random) -> str:
    """Return nmap's grepable output."""
    text = nmap_head(scan, "-oG")
    for address in scan.hosts():
        entries = [f"{port}/open/tcp/////" for (_, port), _ in of(scan.open.items(), address)]
        entries += [f"{port}/closed/tcp/////" for host, port in scan.closed if host == address]
        state = "closed" if address in scan.rest_closed else "filtered"
        text += f"Host: {address} ()\tStatus: Up\nHost: {address} ()\tPorts: {', '.join(entries)}\tIgnored State: {state} (9)\n"
    return text + (NMAP_END if scan.ended else "")


def nmap_normal(scan: Scan, _draw: random.Random) -> str:
    """Return nmap's normal output."""
    text = nmap_head(scan, "-oN")
    for address in scan.hosts():
        state = "closed tcp ports (reset)" if address in scan.rest_closed else "filtered tcp ports (no-response)"
        text += (
            f"Nmap scan report for {address}\nHost is up (0.1s latency).\nNot shown: 9 {state}\nPORT STATE SERVICE\n"
        )
        text += "".join(f"{port}/tcp open unknown\n" for (_, port), _ in of(scan.open.items(), address))
        text += "".join(f"{port}/tcp closed unknown\n" for host, port in scan.closed if host == address) + "\n"
    return text + (NMAP_END if scan.ended else "")


NMAP = {"nmap-xml": nmap_xml, "nmap-grepable": nmap_grepable, "nmap-normal": nmap_normal}
States = list[tuple[Target, str]]


def masscan_list(scan: Scan, states: States) -> str:
    """Return what -oL writes."""
    lines = "".join(f"{state} tcp {port} {address} {scan.at}\n" for (address, port), state in states)
    return f"#masscan\n{lines}" + ("# end\n" if scan.ended else "")


def masscan_json(scan: Scan, states: States) -> str:
    """Return what -oJ writes."""
    record = '{{   "ip": "{}",   "timestamp": "{}", "ports": [ {{"port": {}, "proto": "tcp", "status": "{}"}} ] }}\n,\n'
    lines = "".join(record.format(address, scan.at, port, state) for (address, port), state in states)
    return f"[\n{lines}" + ("]\n" if scan.ended else "")


def masscan_xml(scan: Scan, states: States) -> str:
    """Return what -oX writes."""
    record = (
        '<host endtime="{}"><address addr="{}" addrtype="ipv4"/><ports><port protocol="tcp" portid="{}">'
        '<state state="{}"/></port></ports></host>\n'
    )
    lines = "".join(record.format(scan.at, address, port, state) for (address, port), state in states)
    end = '<runstats><finished time="1"/></runstats>\n</nmaprun>\n' if scan.ended else ""
    return f'<?xml version="1.0"?>\n<nmaprun scanner="masscan" start="{scan.at}">\n{lines}{end}'


def masscan_grepable(scan: Scan, states: States) -> str:
    """Return what -oG writes."""
    lines = "".join(
        f"Timestamp: {scan.at}\tHost: {address} ()\tPorts: {port}/{state}/tcp//x//\n"
        for (address, port), state in states
    )
    return f"# Masscan 1.3.2 scan initiated Thu Oct  9 08:53:20 2025\n{lines}" + (
        "# Masscan done at Thu\n" if scan.ended else ""
    )


MASSCAN = {
    "masscan-list": masscan_list,
    "masscan-json": masscan_json,
    "masscan-xml": masscan_xml,
    "masscan-grepable": masscan_grepable,
}


def naabu_json(scan: Scan) -> str:
    """Return what naabu -json writes."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(scan.at))
    lines = "".join(
        f'{{"host":"{address}","ip":"{address}","timestamp":"{at}","port":{port},"protocol":"tcp","tls":false}}\n'
        for address, port in scan.open
    )
    return lines + ("" if scan.ended else '{"host":"198.18.0.1","ip":"198.1')


def zmap_csv(scan: Scan) -> str:
    """Return zmap's CSV with the columns that -f names."""
    lines = "".join(f"{address},{port},synack,1,{scan.at}\n" for address, port in scan.open)
    return f"saddr,sport,classification,success,timestamp_ts\n{lines}" + ("" if scan.ended else "198.18.0.1")


LISTED = {"naabu-json": naabu_json, "zmap-csv": zmap_csv}
