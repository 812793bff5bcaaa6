"""What a year of daily scans costs, and that what does not differ writes no change.

    python benchmarks/year.py [--days 40] [--prefix 20] [--changes 0.01] [--equal 1000000]

Each day is a masscan file of one network with a clock of its own (libfaketime), read by `cobalt ingest --covers`: a tenth of
the addresses are hosts with three open ports each, and a share of the ports changes from day to day. Then the ledger's size
is printed, and what the queries take that people ask such a year. Last, a scan of `--equal` ports is read
twice: the second time it may write no change. Exits with 1 where a query takes 100 ms of a processor or a change too many is written.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from statistics import median

from sqlalchemy import text

from cobalt_tasks.chaos.stepping import SteppedClock
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.engine import Database
from cobalt_tasks.views import changes
from cobalt_tasks.views.changes import ChangeFilter

PORTS = (22, 80, 443, 8080, 8443)
MILLISECONDS = 100.0
Ports = set[tuple[str, int]]


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--prefix", type=int, default=20, help="of the scanned network: 16 for 65,536 addresses")
    parser.add_argument("--changes", type=float, default=0.01, help="the share of the ports that changes in a day")
    parser.add_argument("--equal", type=int, default=1_000_000, help="facts that are read twice; 0 for none")
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cobalt-") as folder:
        home = Path(folder)
        os.environ |= {
            "COBALT_HOME": folder,
            "COBALT_DATABASE_URL": f"sqlite:///{folder}/ledger.db",
            "COBALT_BROKER_URL": "redis://127.0.0.1:1/0",
            "COBALT_SCOPE": "127.0.0.0/8",
        }
        scan_daily(home, IPv4Network(f"10.0.0.0/{wishes.prefix}"), wishes.days, wishes.changes)
        database = Database(os.environ["COBALT_DATABASE_URL"])
        print_size(database)
        slow = ask(database, home)
        extra = read_twice(database, home, wishes.equal) if wishes.equal else 0
        database.dispose()
    print(f"load of this machine at the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    return 1 if slow or extra else 0


def scan_daily(home: Path, network: IPv4Network, days: int, share: float) -> None:
    """Read a scan of a `network` for each of so many days, the last one today; print how long the first and last took."""
    chance = random.Random(1)
    hosts = [str(each) for each in chance.sample(list(network), network.num_addresses // 10)]
    known: Ports = {(host, port) for host in hosts for port in chance.sample(PORTS, 3)}
    every = [(host, port) for host in hosts for port in PORTS]
    clock = SteppedClock(home / "clock")
    seconds = []
    for day in range(days):
        if day:
            known ^= set(chance.sample(every, max(1, int(len(known) * share))))
        ago = (days - 1 - day) * DAY
        clock.step(-ago)
        scan = write_scan(home / "daily.txt", known, int(time.time() - ago))
        covers = f"{network}:{','.join(map(str, PORTS))}"
        seconds.append(ingest(scan, "--covers", covers, environment=clock.environment))
    print(f"{days} daily scans of a /{network.prefixlen}: {len(hosts):,} hosts, {len(known):,} ports at last")
    print(f"one scan: {median(seconds[:5]):.1f} s at first, {median(seconds[-5:]):.1f} s at last")


def write_scan(file: Path, ports: Ports, at: int) -> Path:
    """Write a whole scan as masscan lists it. ports: those that are open; at: epoch seconds."""
    lines = (f"open tcp {port} {host} {at}\n" for host, port in sorted(ports))
    file.unlink(missing_ok=True)
    file.write_text("".join(("#masscan\n", *lines, "# end\n")))
    return file


def ingest(file: Path, *options: str, environment: dict[str, str] | None = None) -> float:
    """Read a file by `cobalt ingest`; return the seconds it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "cobalt_tasks", "ingest", "masscan", str(file), *options]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **(environment or {})})
    return time.monotonic() - began


def print_size(database: Database) -> None:
    """Print how many bytes the tables of a year take in SQLite, with their indexes."""
    with database.reading() as connection:
        for table in ("changes", "discoveries"):
            rows = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            named = "(SELECT name FROM sqlite_master WHERE tbl_name = :table)"
            size = text(f"SELECT sum(pgsize) FROM dbstat WHERE name IN {named}")
            used = connection.execute(size, {"table": table}).scalar_one()
            print(f"{table:12} {rows:10,} rows {used / 2**20:8.1f} MiB, {used / max(rows, 1):4.0f} bytes a row")
        pages = connection.execute(text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))
        print(f"whole ledger {pages.scalar_one() / 2**20:.1f} MiB")


def ask(database: Database, home: Path) -> list[str]:
    """Print how long the queries take that people ask a year of scans; return those that are too slow."""
    now = time.time()
    with database.reading() as connection:
        busy = "SELECT address FROM changes WHERE address <> '' GROUP BY address ORDER BY count(*) DESC LIMIT 1"
        host = connection.execute(text(busy)).scalar() or "10.0.0.1"

    def page(**wanted: object) -> Callable[[], object]:
        return lambda: changes.page(database, 100, ChangeFilter(**wanted), home)  # type: ignore[arg-type]

    asked = {
        "the newest page": page(),
        "since a day": page(since=now - DAY),
        "one host's timeline": page(address=host),
        "ports closed": page(kinds=("port closed",)),
        "a week of a query": page(since=now - 7 * DAY, query="net:10.0.0.0/24 port:443"),
        "a query that nothing matches": page(query="net:192.0.2.0/24 port:22"),
    }
    slow = []
    for name, query in asked.items():
        walls, used = [], []
        for _ in range(9):
            began, before = time.monotonic(), time.process_time()
            query()
            walls.append(1000 * (time.monotonic() - began))
            used.append(1000 * (time.process_time() - before))
        print(f"{name:30} {median(used):7.1f} ms of a processor, {median(walls):7.1f} ms in all")
        if median(used) >= MILLISECONDS:
            slow.append(name)
    return slow


def read_twice(database: Database, home: Path, facts: int) -> int:
    """Read a scan of so many open ports twice, ten minutes apart; return how many changes the second one wrote."""
    first = int(IPv4Address("10.128.0.0"))
    ports = {(str(IPv4Address(first + number // len(PORTS))), PORTS[number % len(PORTS)]) for number in range(facts)}
    for ago in (600, 0):
        before = count_changes(database)
        seconds = ingest(write_scan(home / "equal.txt", ports, int(time.time()) - ago))
        written = count_changes(database) - before
        print(f"{facts:,} facts{'' if ago else ' again'}: {seconds:.1f} s, {written:,} changes")
    return written


def count_changes(database: Database) -> int:
    """Return how many changes there are."""
    with database.reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM changes")).scalar_one())


if __name__ == "__main__":
    sys.exit(main())
