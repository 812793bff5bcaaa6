"""Generations of scans in many formats, some cut, failed, partial or repeated, ingest killed throughout: the changes in
the ledger are those that a model of the rules finds, each once.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from cobalt_tasks.db import schema
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes
from tests.support.scan_reports import FORMS, Scan, Target, written

pytestmark = pytest.mark.long

START, DAY = 1760000000, 86400
SITES, NETWORKS, HOSTS = 4, 4, 125
GENERATIONS = int(os.environ.get("GENERATIONS", "3"))
"""`make test-changes` does 20, which takes about half an hour."""

FLIPS = 240
PORTS = (21, 22, 80, 443, 3306, 8080)
STEADY = 22
"""A port that never closes, so that each host that is up is listed."""

PARTIAL = (1, 500)
KILLS = 2

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
        if form in {"naabu", "masscan-grepable"}:
            scan.closed = []
        return scan


def ingest(path: Path, scan: Scan, draw: random.Random) -> int:
    """Ingest a file, killed at random moments, until it is read; return how many kills met it."""
    command = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "ingest", str(path)]
    if not scan.names_hosts:
        command += [
            "--covers",
            f"{','.join(f'{each}.0/24' for each in scan.networks)}:{scan.covered[0]}-{scan.covered[1]}",
        ]
    kills = 0
    for wait in [draw.uniform(0.4, 3.0) for _ in range(KILLS)] + [None]:
        running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"}
        )
        try:
            assert running.wait(wait) == 0
            if wait is None:
                break
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.wait()
            kills += 1
    return kills


def facts(database: Database) -> Counter[Fact]:
    """Return the changes in the ledger, as the model has them."""
    found: Counter[Fact] = Counter()
    after = 0
    while True:
        with database.reading() as connection:
            rows = changes.page(connection, 10_000, after=after)
        for row in rows:
            kind, details = row["kind"], row["details"]
            if kind == "networks scanned":
                found[kind, details["hosts"], details["ports"]] += 1
            elif kind == "host found":
                found[kind, row["address"], details["count"]] += 1
            else:
                found[kind, row["address"], row["port"], int(row["observed_at"])] += 1
        if len(rows) < 10_000:
            return found
        after = rows[-1]["id"]


@pytest.mark.timeout(3600)
def test_changes_are_those_of_the_model(
    database_url: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change once, and no other, over generations of scans of which many did not end well; 20 make 10,000 and more."""
    monkeypatch.setenv("COBALT_DATABASE_URL", database_url)
    monkeypatch.setenv("COBALT_SCOPE", "127.0.0.0/8")
    database = Database(database_url)
    schema.upgrade(database)
    draw = random.Random(14)
    world, model, kills, forms = World(draw), Model(), 0, defaultdict(int)
    source = 0
    for generation in range(GENERATIONS):
        for site in range(SITES):
            scan = world.scan(site, generation)
            forms[scan.form, scan.ended] += 1
            text = written(scan, draw)
            copies = 2 if draw.random() < 0.1 else 1
            for copy in range(copies):
                source += 1
                path = tmp_path / f"{generation}-{site}-{copy}"
                path.write_text(text)
                kills += ingest(path, scan, draw)
                model.read(scan, source)
        world.step()
    found = facts(database)
    database.dispose()
    missing, other = model.found - found, found - model.found
    assert (sorted(missing.items(), key=repr)[:20], sorted(other.items(), key=repr)[:20]) == ([], [])
    assert kills >= GENERATIONS
    assert GENERATIONS < 20 or found.total() >= 10_000
    print(f"{found.total():,} changes, {source} inputs, {kills} kills", dict(Counter(str(each[0]) for each in found)))  # noqa: T201
