"""How long searches take in a ledger of millions: twenty queries of a fixed list, and facets.

    python benchmarks/search.py [--database sqlite|postgresql] [--share 1.0] [--server URL] [--ledger URL] [--plans]

Fills a ledger (at `--share 1`: 1,000,000 hosts, 2,000,000 ports, 10,000,000 connections; SQLite gets a tenth), runs each
query sixteen times as the API does, and prints the slowest and the 99th percentile of all. `--ledger` measures a ledger
there is, and fills none. The first run of a query, which finds cold caches, does not count. Exits with 1 where the 99th
percentile is over 150 ms, facets take more than 300 ms, or a statement walks through a table.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from recorder import Recorder, Step
from scale_data import Sizes, fill
from servers import servers
from stack import empty

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.views import search as views

FULL = Sizes(hosts=1_000_000, ports=2_000_000, connections=10_000_000, jobs=1_000)
RUNS = 16
PAGE_MS, FACETS_MS = 150.0, 300.0

QUERIES = (
    ("hosts", "port:22 product:openssh version:<9 country:DE"),
    ("hosts", "net:16.1.0.0/16"),
    ("hosts", "country:NL score:>=0.5"),
    ("hosts", "name:*.example.com seen:<7d"),
    ("hosts", "name:host77.example.com"),
    ("hosts", "cert.expires:<1d finding:risky_port"),
    ("hosts", "-service:https country:MT"),
    ("hosts", '"pear appliance"'),
    ("hosts", "asn:64496 (port:443 OR port:54321)"),
    ("hosts", "NOT (country:US OR country:NL) score:>0.3 seen:<30d"),
    ("ports", "port:54321"),
    ("ports", "product:nginx version:<1.2 country:MT"),
    ("ports", "protocol:udp opened:>1d"),
    ("ports", "apache org:organisation*"),
    ("connections", "dst:16.0.0.0/20 port:443"),
    ("connections", "src:16.0.0.1 seen:<7d"),
    ("connections", "process:backup country:DE"),
    ("connections", "port:54321 protocol:udp"),
    ("certificates", "cert.name:host77.example.net"),
    ("certificates", "cert.selfsigned:yes country:DE cert.expires:<10d"),
)
FACETS = (
    ("hosts", "country:NL", "port,product,country"),
    ("hosts", "net:16.1.0.0/16", "country,port,product"),
    ("ports", "port:22", "country,product,version"),
)


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    parser.add_argument("--ledger", help="the URL of a ledger that is filled already")
    parser.add_argument("--plans", action="store_true", help="print the plans of all statements")
    options = parser.parse_args()
    kinds = [] if options.ledger else options.database or ["sqlite", "postgresql"]
    over = measure(Database(options.ledger), plans=options.plans) if options.ledger else []
    with (
        tempfile.TemporaryDirectory(prefix="cobalt-", dir=os.environ.get("TMPDIR")) as folder,
        servers(options.server, needed="postgresql" in kinds) as server,
    ):
        os.environ |= {"COBALT_HOME": folder, "COBALT_SCOPE": "127.0.0.0/8", "COBALT_GEO_PROVIDERS": "mmdb"}
        for kind in kinds:
            share = options.share / (10 if kind == "sqlite" else 1)
            with empty(kind, server, folder) as database:
                fill(database, Sizes(*(max(1000, int(rows * share)) for rows in FULL)), time.time())
                over += measure(database, plans=options.plans)
    for each in over:
        print(f"OVER  {each}")
    print(f"load of this machine at the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    return 1 if over else 0


def measure(database: Database, *, plans: bool) -> list[str]:
    """Measure one ledger; return what is over its limit."""
    kind, over, every = database.engine.dialect.name, [], []
    with Recorder() as recorder:
        for target, query in QUERIES:
            search = find.read(database, query, Searchable(target))
            times, step = timed(recorder, f"{target}: {query}", lambda search=search: views.page(database, search, 100))
            every += times
            over += report(kind, step, times, plans=plans)
        for target, query, fields in FACETS:
            search, names = find.read(database, query, Searchable(target)), fields.split(",")
            times, step = timed(
                recorder,
                f"facets {fields} of {target}: {query}",
                lambda search=search, names=names: views.facets(database, search, names),
            )
            over += report(kind, step, times, plans=plans)
            if max(times) > FACETS_MS:
                over.append(f"{kind}: {step.name}: {max(times):.0f} ms, {FACETS_MS:.0f} ms may pass")
    percentile = sorted(every)[int(0.99 * len(every))]
    print(f"{kind}: 99th percentile {percentile:.0f} ms, median {statistics.median(every):.0f} ms", flush=True)
    return over if percentile <= PAGE_MS else [*over, f"{kind}: 99th percentile {percentile:.0f} ms"]


def timed(recorder: Recorder, name: str, work: Callable[[], Any]) -> tuple[list[float], Step]:
    """Run a search; return its times in milliseconds, without the first, and the statements of one run."""
    with recorder.step(name) as step:
        found = work()
    items = found["items"] if isinstance(found, dict) else []
    step.note = f"{len(items)} rows" if items else ""
    times = []
    for _ in range(RUNS - 1):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return times, step


def report(kind: str, step: Step, times: list[float], *, plans: bool) -> list[str]:
    """Print the times of a search and its plans; return the walks through tables."""
    print(f"{kind:10} {statistics.median(times):7.1f} ms, slowest {max(times):7.1f}  {step.name}  {step.note}")
    for each in step.statements:
        if plans or each.walks:
            print(f"       {'WALKS ' + each.walks if each.walks else ''} {' '.join(each.sql.split())[:300]}")
            for line in each.plan:
                print(f"                | {line}")
    sys.stdout.flush()
    return [f"{kind}: {step.name}: walks through {each.walks}" for each in step.statements if each.walks]


if __name__ == "__main__":
    sys.exit(main())
