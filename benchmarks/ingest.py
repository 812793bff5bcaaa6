"""How fast ingest is, as a ratio to a bare program that writes the same rows of every table.

    python benchmarks/ingest.py [--lines 1000000] [--database sqlite|postgresql] [--feed zipf|new|masscan|conn|eve]

Both read the same file in the same run, each into an empty database of its own: ours through `cobalt ingest`'s pipeline,
the bare one with msgspec and one loop, in batches of 1,000 lines, through the database's driver. The bare program keeps
no checkpoint, checks nothing, rejects nothing and knows no duplicates.
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from socket import inet_aton

import msgspec
import psycopg
from ingest_feeds import CONN, FEEDS
from servers import ledgers, servers
from xxhash import xxh3_64_intdigest

LINES = 1_000_000
BATCH = 1000


# The bare program --------------------------------------------------------------------------------------------------

IDENTIFIED = "id, source_id, arrived_at, observed_at, src_ip, src_port, dst_ip, dst_port, protocol, identity, details"
OBSERVATION = "source_id, observed_at, arrived_at, src_ip, dst_ip, dst_port, protocol, process, details"
DISCOVERY = "source_id, address, protocol, port, banner_key, observed_at, arrived_at, reason, ttl"
PORT = "address, protocol, port, first_seen, last_seen"
HOST = "address, first_seen, last_seen, discovered, address_key"
JOB = "kind, address, protocol, port, level, state, forced, isolated, attempts, not_before, created_at"
SPAN = "DO UPDATE SET last_seen = excluded.last_seen WHERE excluded.last_seen > {0}.last_seen"


IDENTITY = "key, observation_id, day, authority"
KEPT = {"ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto"}
NUMBERS = {name for name in CONN if name.endswith(("_bytes", "_pkts"))}


def conn_line(line: bytes) -> dict[str, str]:
    """Return a line of conn.log with what is set in it."""
    cells = zip(CONN, line.decode().rstrip("\n").split("\t"), strict=True)
    return {name: cell for name, cell in cells if cell not in ("-", "(empty)", "")}


def conn(r: dict[str, str]) -> tuple:
    """Return the key and the row of a line of conn.log."""
    details = {name: int(cell) if name in NUMBERS else cell for name, cell in r.items() if name not in KEPT}
    ends = r["id.orig_h"], int(r["id.orig_p"]), r["id.resp_h"], int(r["id.resp_p"])
    return (key(f"zeek\0{r['uid']}"), float(r["ts"]), *ends, r["proto"], r["uid"], text(details))


def eve(r: dict) -> tuple:
    """Return the key and the row of an event."""
    ends = r["src_ip"], r["src_port"], r["dest_ip"], r["dest_port"]
    one, other = sorted((f"{ends[0]} {ends[1]}", f"{ends[2]} {ends[3]}"))
    start = datetime.fromisoformat(r["flow"]["start"] if "flow" in r else r["timestamp"]).timestamp()
    details = {"event": r["event_type"], "in_iface": r["in_iface"], "service": r["app_proto"], **r.get("flow", {})}
    details |= {"tcp": r["tcp"]} if "tcp" in r else {}
    details |= {name: [r[name]] for name in ("alert", "dns") if name in r}
    identity = str(r["flow_id"])
    row = (start, *ends, r["proto"].lower(), identity, text(details))
    return (key(f"suricata\0{identity}\0{one}\0{other}"), *row)


def key(name: str) -> int:
    """Return the key of an identity."""
    return xxh3_64_intdigest(name.encode()) - (1 << 63)


def text(details: dict) -> str:
    """Return details as they are stored."""
    return msgspec.json.encode(details).decode()


class Bare:
    """Decodes and inserts, nothing else."""

    def __init__(self) -> None:
        """Know no host yet."""
        self.known: set[str] = set()

    def run(self, file: Path) -> None:
        """Read all lines in batches."""
        batch = []
        with file.open("rb") as lines:
            decode = conn_line if lines.read(1) == b"#" else msgspec.json.decode
            lines.seek(0)
            for line in lines:
                if line.startswith(b"#"):
                    continue
                batch.append(decode(line))
                if len(batch) == BATCH:
                    self.store(batch)
                    batch = []
        if batch:
            self.store(batch)

    def store(self, batch: list[dict]) -> None:
        """Write the rows that follow from a batch."""
        now = time.time()
        if "rec_type" in batch[0]:
            found = [
                (
                    1,
                    r["ip"],
                    r["proto"],
                    r["port"],
                    "",
                    float(r["timestamp"]),
                    now,
                    r["data"]["reason"],
                    r["data"]["ttl"],
                )
                for r in batch
            ]
            seen = {row[1]: row[5] for row in found}
            ports = sorted({(row[1], row[2], row[3], row[5], row[5]) for row in found})
            jobs = [("banner", *row[:3], 1) for row in ports]
            jobs += [("certificate", *row[:3], 4) for row in ports if row[2] == 443]
            self.write("discoveries", DISCOVERY, found)
            self.upsert("ports", PORT, ports, "address, protocol, port")
        elif "metadata" not in batch[0]:
            jobs = []
            seen = self.identified([conn(r) if "uid" in r else eve(r) for r in batch], now)
        else:
            jobs = []
            self.write(
                "observations",
                OBSERVATION,
                [
                    (
                        *(1, now, now, r["src_ip"], r["dst_ip"], r["dst_port"], r["metadata"]["protocol"].lower()),
                        *(r["metadata"]["process"], '{"state":"ESTAB"}'),
                    )
                    for r in batch
                ],
            )
            seen = dict.fromkeys([r["dst_ip"] for r in batch] + [r["src_ip"] for r in batch], now)
        hosts = sorted((each, when, when, False, f"4{inet_aton(each).hex()}") for each, when in seen.items())
        self.upsert("hosts", HOST, hosts, "address")
        fresh = seen.keys() - self.known
        self.known |= fresh
        jobs += [("domain", each, "", 0, 2) for each in fresh] + [("geolocation", each, "", 0, 3) for each in fresh]
        self.write("jobs", JOB, [(*job, "pending", False, False, 0, now, now) for job in jobs])
        self.commit()

    def identified(self, rows: list[tuple], now: float) -> dict[str, float]:
        """Write connections with an identity: its key first, then the row it leads to; return when each host was seen."""
        numbers = self.reserve(len(rows))
        day = int(now // 86400)
        self.claim(sorted((row[0], number, day, 3) for number, row in zip(numbers, rows, strict=True)))
        self.write("observations", IDENTIFIED, [(n, 1, now, *row[1:]) for n, row in zip(numbers, rows, strict=True)])
        return {row[2]: row[1] for row in rows} | {row[4]: row[1] for row in rows}


class BareSqlite(Bare):
    """SQLite through its driver."""

    def __init__(self, url: str) -> None:
        """Open as ours does."""
        super().__init__()
        self.connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        self.connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536")

    def write(self, table: str, columns: str, rows: list[tuple], conflict: str = "") -> None:
        """Insert with one executemany."""
        marks = ", ".join("?" * len(columns.split(",")))
        self.connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict}", rows)

    def upsert(self, table: str, columns: str, rows: list[tuple], key: str) -> None:
        """Insert or update with one executemany."""
        self.write(table, columns, rows, f"ON CONFLICT ({key}) {SPAN.format(table)}")

    def reserve(self, number: int) -> range:
        """Return the next row ids."""
        last = self.connection.execute("SELECT coalesce(max(id), 0) FROM observations").fetchone()[0]
        return range(last + 1, last + 1 + number)

    def claim(self, rows: list[tuple]) -> None:
        """Insert the keys of identities."""
        self.write("identities", IDENTITY, rows, "ON CONFLICT DO NOTHING")

    def commit(self) -> None:
        """Commit."""
        self.connection.commit()


class BarePostgresql(Bare):
    """PostgreSQL through its driver: COPY, and an upsert from a temporary table."""

    def __init__(self, url: str) -> None:
        """Open."""
        super().__init__()
        self.connection = psycopg.connect(url)
        for table in ("hosts", "ports"):
            self.connection.execute(
                f"CREATE TEMP TABLE new_{table} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
            )
        self.connection.commit()

    def write(self, table: str, columns: str, rows: list[tuple]) -> None:
        """COPY."""
        with self.connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def upsert(self, table: str, columns: str, rows: list[tuple], key: str) -> None:
        """COPY beside the table, and from there into it."""
        self.write(f"new_{table}", columns, rows)
        self.connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM new_{table} ON CONFLICT ({key}) {SPAN.format(table)}",
        )

    def reserve(self, number: int) -> list[int]:
        """Return the next row ids."""
        drawn = "SELECT nextval(pg_get_serial_sequence('observations', 'id')) FROM generate_series(1, %s)"
        return [row[0] for row in self.connection.execute(drawn, (number,))]

    def claim(self, rows: list[tuple]) -> None:
        """Insert the keys of identities."""
        self.connection.execute(
            f"INSERT INTO identities ({IDENTITY}) SELECT * FROM "
            "unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::smallint[]) ON CONFLICT DO NOTHING",
            [list(column) for column in zip(*rows, strict=True)],
        )

    def commit(self) -> None:
        """Commit."""
        self.connection.commit()


# The measurement ---------------------------------------------------------------------------------------------------


def child(role: str, url: str, file: Path) -> None:
    """Run one of the two, and print what it took, without what both load before."""
    from cobalt_tasks.core import machine, settings
    from cobalt_tasks.db.engine import Database
    from cobalt_tasks.ingest.pipeline import Pipeline
    from cobalt_tasks.ingest.streams.files import FileStream

    began, used = time.perf_counter(), time.process_time()
    if role == "bare":
        (BareSqlite if url.startswith("sqlite") else BarePostgresql)(url).run(file)
    else:
        # As the command does.
        machine.collect_less_garbage()
        pipeline = Pipeline(Database(url), settings.load(), report=lambda text: print(text, file=sys.stderr))
        pipeline.run(FileStream(file))
        pipeline.close()
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "processor": processor, "mebibytes": memory}))


def measure(role: str, url: str, file: Path) -> dict[str, float]:
    """Measure in a process of its own, with an empty state folder and no broker."""
    with tempfile.TemporaryDirectory(prefix="cobalt-") as home:
        environment = {**os.environ, "COBALT_HOME": home, "COBALT_BROKER_URL": f"redis+socket://{home}/none"}
        command = [sys.executable, __file__, "--role", role, "--url", url, "--file", str(file)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def compare(feed: str, kind: str, lines: int, rounds: int, server: str | None) -> None:
    """Measure both alternately, and print the better of each."""
    with tempfile.TemporaryDirectory(prefix="cobalt-bench-") as folder:
        file = Path(folder) / "feed"
        with file.open("w") as out:
            out.writelines(line + "\n" for line in FEEDS[feed](lines))
        urls = ledgers(kind, server, folder)
        results: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
        for _ in range(rounds):
            for role in ("bare", "ours"):
                results[role].append(measure(role, next(urls), file))
        urls.close()
    ours, bare = (
        {name: min(each[name] for each in results[role]) for name in results[role][0]} for role in ("ours", "bare")
    )
    print(
        f"{feed:8} {kind:11} {lines:>9,} lines: ours {lines / ours['seconds']:>9,.0f}/s "
        f"({ours['mebibytes']:.0f} MiB), bare {lines / bare['seconds']:>9,.0f}/s, "
        f"ratio {bare['seconds'] / ours['seconds']:.2f}; "
        f"processor {ours['processor']:.2f} s and {bare['processor']:.2f} s, ratio {bare['processor'] / ours['processor']:.2f}",
        flush=True,
    )


def main() -> None:
    """Measure every feed on every database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--feed", choices=FEEDS, action="append")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    for hidden in ("--role", "--url", "--file"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    wishes = parser.parse_args()
    if wishes.role:
        child(wishes.role, wishes.url, Path(wishes.file))
        return
    kinds = wishes.database or ["sqlite", "postgresql"]
    with servers(wishes.server, needed="postgresql" in kinds) as server:
        for kind in kinds:
            for feed in wishes.feed or FEEDS:
                compare(feed, kind, wishes.lines, wishes.rounds, server)


if __name__ == "__main__":
    main()
