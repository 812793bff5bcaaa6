"""How fast hosts are exported, and in how much memory, beside a bare program that writes the same columns as CSV.

    python benchmarks/export.py [--database sqlite|postgresql] [--hosts 1000000] [--server URL] [--ledger URL]

Fills a ledger with hosts, places, ports, names and scores, and runs `cobalt export` for each format in a process of its own.
The bare program reads the same rows in one transaction with the database's own driver and writes them with `csv.writer`: no
pages, nothing guarded, no times as text. Exits with 1 where an export of a million hosts would take more than 20 s or more
than 150 MiB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scale_data import Sizes, fill
from servers import servers
from stack import empty

FORMATS = ("csv", "ndjson", "geojson", "parquet")
SECONDS, MEBIBYTES = 20.0, 150.0
FILLED = frozenset({"sources", "hosts", "ports", "locations", "hostnames", "scores"})

_JOINS = "FROM hosts h LEFT JOIN scores s ON s.address = h.address LEFT JOIN locations l ON l.address = h.address"
_COLUMNS = (
    "h.address, h.first_seen, h.last_seen, h.discovered, s.score, l.country_code, l.country_name, l.region, l.city, "
    "l.latitude, l.longitude, l.timezone, l.asn, l.organisation, l.isp, l.provider, l.fetched_at"
)
_LISTS = (
    ", (SELECT {gather}(port) FROM (SELECT DISTINCT port FROM ports p WHERE p.address = h.address ORDER BY 1) a)"
    ", (SELECT {gather}(name) FROM (SELECT DISTINCT name FROM hostnames p WHERE p.address = h.address ORDER BY 1) b)"
)

# A process starts with its parent's peak: a small one stands between.
LAUNCHER = """
import os, sys, time
began = time.monotonic()
process = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
_, status, used = os.wait4(process, 0)
print(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""
# As it is installed for users: pyarrow loads pandas and numpy where they are, and only the tests install them.
COBALT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {"pandas", "numpy"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from cobalt_tasks.cli import main
main()
"""
BARE = """
import csv, sys
kind, url, query = sys.argv[1:]
if kind == "sqlite":
    import sqlite3
    rows = sqlite3.connect(url.removeprefix("sqlite:///")).execute(query)
else:
    import psycopg
    rows = psycopg.connect(url).cursor("bare")
    rows.itersize = 5000
    rows.execute(query)
with open("/dev/null", "w") as file:
    csv.writer(file).writerows(rows)
"""


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--hosts", type=int, default=1_000_000)
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    parser.add_argument("--ledger", help="the URL of a ledger that is filled already with that many hosts")
    options = parser.parse_args()
    over: list[str] = []
    kinds = [] if options.ledger else options.database or ["sqlite", "postgresql"]
    with (
        tempfile.TemporaryDirectory(prefix="cobalt-", dir=os.environ.get("TMPDIR")) as folder,
        servers(options.server, needed="postgresql" in kinds) as server,
    ):
        os.environ |= {"COBALT_HOME": folder, "COBALT_SCOPE": "127.0.0.0/8", "COBALT_GEO_PROVIDERS": "mmdb"}
        if options.ledger:
            os.environ["COBALT_DATABASE_URL"] = options.ledger
            over += measure(options.ledger.partition(":")[0], options.hosts)
        for kind in kinds:
            with empty(kind, server, folder) as database:
                sizes = Sizes(hosts=options.hosts, ports=2 * options.hosts, connections=1, jobs=1)
                fill(database, sizes, time.time(), FILLED)
                over += measure(kind, options.hosts)
    for each in over:
        print(f"OVER  {each}")
    print(f"load of this machine at the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    return 1 if over else 0


def measure(kind: str, hosts: int) -> list[str]:
    """Print the figures of each format on a database of a kind; return what is over its limit."""
    over = []
    gather = "json_group_array" if kind == "sqlite" else "json_agg"
    query = f"SELECT {_COLUMNS}{_LISTS.format(gather=gather)} {_JOINS} ORDER BY h.address"
    url = os.environ["COBALT_DATABASE_URL"]
    bare, _, _ = run("-c", BARE, kind, url, query)
    print(f"{kind:10} bare     {hosts / bare:9,.0f} rows/s")
    for form in FORMATS:
        seconds, processor, memory = run("-c", COBALT, "export", "--format", form, "--output", os.devnull)
        line = f"{hosts / seconds:9,.0f} rows/s {seconds:6.1f} s ({processor:.1f} s of a processor) {memory:6.0f} MiB"
        print(f"{kind:10} {form:8} {line}  {seconds / bare:5.2f} times the bare program", flush=True)
        if seconds * 1_000_000 / hosts > SECONDS:
            over.append(f"{kind}: {form}: {seconds:.1f} s for {hosts:,} hosts")
        if memory > MEBIBYTES:
            over.append(f"{kind}: {form}: {memory:.0f} MiB")
    return over


def run(*command: str) -> tuple[float, float, float]:
    """Run Python with a command; return its seconds, its processor's seconds, and its most memory in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    seconds, processor, memory = map(float, done.stdout.split()[-3:])
    return seconds, processor, memory


if __name__ == "__main__":
    sys.exit(main())
