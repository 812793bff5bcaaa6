"""A model of networks whose hosts and ports change, the scans that see it, and the changes that must follow by docs/changes.md."""

import random
from collections import Counter

from tests.support.scan_reports import FORMS, LISTS, Scan, Target

START, DAY = 1760000000, 86400
SITES, NETWORKS, HOSTS = 4, 4, 125
FLIPS = 240
PORTS = (21, 22, 80, 443, 3306, 8080)
STEADY = 22
"""A port that never closes, so that each host that is up is listed."""

PARTIAL = (1, 500)

Fact = tuple[object, ...]


class Model:
    """What is known of ports by the rules of docs/changes.md, and the changes that follow."""

    def __init__(self) -> None:
        """Start without hosts."""
        self.last: dict[Target, int] = {}
        self.state: dict[Target, str] = {}
        self.missed: dict[Target, int] = {}
        self.versions: dict[Target, str] = {}
        self.networks: dict[str, int] = {}
        self.known: set[str] = set()
        self.found: Counter[Fact] = Counter()

    def read(self, scan: Scan, source: int) -> None:
        """Take one scan, read from the source with this number."""
        summary: Counter[str] = Counter()
        new_hosts: Counter[str] = Counter()
        for (address, port), version in sorted(scan.open.items()):
            network = address.rpartition(".")[0]
            is_first = self.networks.setdefault(network, source) == source
            if address not in self.known:
                self.known.add(address)
                if is_first:
                    summary["hosts"] += 1
                else:
                    new_hosts[address] = 0
            self._open(scan, (address, port), version, is_first, summary, new_hosts)
        if summary:
            self.found["networks scanned", summary["hosts"], summary["ports"]] += 1
        self.found.update(("host found", address, count) for address, count in new_hosts.items())
        if scan.ended:
            self._absent(scan)

    def _open(  # noqa: PLR0917  # what a report adds to
        self, scan: Scan, target: Target, version: str, is_first: bool, summary: Counter[str], new_hosts: Counter[str]
    ) -> None:
        state = self.state.get(target)
        if state is None:
            if is_first:
                summary["ports"] += 1
            elif target[0] in new_hosts:
                new_hosts[target[0]] += 1
            else:
                self.found["port opened", *target, scan.at] += 1
        elif state == "closed" and scan.at > self.last[target]:
            self.found["port reopened", *target, scan.at] += 1
        if state is None or scan.at > self.last[target]:
            self.state[target] = "open"
        if version:
            if self.versions.get(target, version) != version:
                self.found["version changed", *target, scan.at] += 1
            self.versions[target] = version
        self.last[target] = max(scan.at, self.last.get(target, 0))

    def _absent(self, scan: Scan) -> None:
        low, high = scan.covered
        listed = set(scan.hosts())
        for target, state in self.state.items():
            address, port = target
            if state == "closed" or self.last[target] >= scan.at:
                continue
            if target in scan.closed:
                self._close(target, scan.at)
                continue
            if not low <= port <= high or address.rpartition(".")[0] not in scan.networks:
                continue
            if scan.names_hosts and address not in listed:
                continue
            # A copy of one scan is no second scan.
            if address in scan.rest_closed or (state == "unconfirmed" and scan.at > self.missed[target]):
                self._close(target, scan.at)
            elif state == "open":
                self.state[target] = "unconfirmed"
                self.missed[target] = scan.at

    def _close(self, target: Target, at: int) -> None:
        self.state[target] = "closed"
        self.last[target] = max(self.last[target], at)
        self.found["port closed", *target, at] += 1


class World:
    """Hosts whose ports open and close."""

    def __init__(self, draw: random.Random) -> None:
        """Make hosts and ports by `draw`."""
        self.draw = draw
        self.ports: dict[str, dict[int, str]] = {}
        self.sites = [
            tuple(f"198.{18 + site}.{network}" for network in range(NETWORKS)) for site in range(SITES)
        ]  # RFC 2544: for tests
        for site in self.sites:
            for network in site:
                for number in range(HOSTS // NETWORKS * 2):
                    self.ports[f"{network}.{number}"] = {STEADY: "1.0"} | {
                        port: "1.0" for port in PORTS if draw.random() < 0.5
                    }
        self.hidden = {address for address in self.ports if draw.random() < 0.15}

    def step(self) -> None:
        """Let ports open and close, versions change, and hosts appear."""
        addresses = sorted(self.ports)
        for _ in range(FLIPS * SITES):
            ports = self.ports[self.draw.choice(addresses)]
            port = self.draw.choice(PORTS[2:] if self.draw.random() < 0.9 else (21,))
            if port in ports:
                del ports[port]
            else:
                ports[port] = "1.0"
        for _ in range(FLIPS):
            ports = self.ports[self.draw.choice(addresses)]
            ports[STEADY] = f"{self.draw.randrange(2, 90)}.{self.draw.randrange(9)}"
        for address in self.draw.sample(sorted(self.hidden), min(3, len(self.hidden))):
            self.hidden.discard(address)

    def scan(self, site: int, generation: int) -> Scan:
        """Return what a scan of a site reports."""
        draw = self.draw
        form = "nmap-xml" if site == 0 else draw.choice(FORMS)
        scan = Scan(form=form, at=START + generation * DAY, networks=self.sites[site])
        kind = draw.random()
        scan.ended = kind > 0.2
        scan.covered = PARTIAL if 0.2 < kind < 0.3 else scan.covered
        up = [each for each in self.ports if each.rpartition(".")[0] in scan.networks and each not in self.hidden]
        for address in up[: len(up) if scan.ended else draw.randrange(len(up))]:
            listed = {
                port: text for port, text in self.ports[address].items() if scan.covered[0] <= port <= scan.covered[1]
            }
            scan.open |= {
                (address, port): text if form == "nmap-xml" and port == STEADY else "" for port, text in listed.items()
            }
            missing = [port for port in PORTS if port not in listed and scan.covered[0] <= port <= scan.covered[1]]
            scan.closed += [(address, port) for port in missing if draw.random() < 0.4]
            if form.startswith("nmap") and draw.random() < 0.3:
                scan.rest_closed.add(address)
        if form in LISTS or form == "masscan-grepable":
            scan.closed = []
        return scan
