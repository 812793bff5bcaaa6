"""How fast scoring follows what ingest stores, as a ratio to ingest itself on the same lines in the same run.

    python benchmarks/scoring.py [--lines 200000] [--database sqlite|postgresql] [--feed zipf|new]

Each round stores the lines in an empty ledger, lets scoring follow until nothing is left, ends the look-ups of all hosts
with a location each, lets it follow again, and computes all scores again. Processor time is that of this process; with
PostgreSQL, whose processes do a part of the work, the wall time counts.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from ingest import FEEDS
from servers import ledgers, servers
from sqlalchemy import text

from cobalt_tasks.core import settings
from cobalt_tasks.db import counts
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import hosts
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.streams.files import FileStream
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import scoring, unscored

_SETTLED = "UPDATE observations SET arrived_at = arrived_at - 60"
_LOCATED = (
    "INSERT INTO locations (address, country_code, latitude, longitude, asn, provider, fetched_at) "
    "SELECT address, 'DE', 50, 8, 64496, 'mmdb', last_seen - 60 FROM hosts"
)
_ENDED = "UPDATE jobs SET state = 'done', finished_at = created_at - 60 + id / 1000000.0 WHERE kind = 'geolocation'"


def main() -> None:
    """Measure every feed on every database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--feed", choices=("zipf", "new"), action="append")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    wishes = parser.parse_args()
    kinds = wishes.database or ["sqlite", "postgresql"]
    with servers(wishes.server, needed="postgresql" in kinds) as server, tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            urls = ledgers(kind, server, folder)
            for feed in wishes.feed or ("zipf", "new"):
                follow(f"{feed:5} {kind:11}", Database(next(urls)), Path(folder), feed, wishes.lines)
            urls.close()


def follow(name: str, database: Database, folder: Path, feed: str, lines: int) -> None:
    """Measure one feed on one database."""
    file = folder / "feed"
    file.write_text("".join(line + "\n" for line in FEEDS[feed](lines)))
    rules = threat.load(folder)
    pipeline = Pipeline(database, settings.load(), report=lambda _: None)
    stored = timed(lambda: pipeline.run(FileStream(file)))
    pipeline.close()
    with database.writing() as connection:
        connection.execute(text(_SETTLED))
        number = counts.table_size(connection, hosts)
    seen = timed(lambda: follow_to_the_end(database, rules))
    with database.writing() as connection:
        connection.execute(text(_LOCATED))
        connection.execute(text(_ENDED))
    located = timed(lambda: follow_to_the_end(database, rules))
    again = timed(lambda: [None for _ in scoring.recompute(database, rules, lambda _: None)])
    database.dispose()
    print(
        f"{name} ingest {rate(lines, stored)} lines; scoring follows {rate(lines, seen)} connections, "
        f"{stored[0] / seen[0]:.2f} of ingest; ended look-ups {rate(number, located)}; "
        f"recompute {rate(number, again)} hosts",
        flush=True,
    )


def follow_to_the_end(database: Database, rules: threat.Rules) -> None:
    """Score until nothing is new."""
    while True:
        scoring.keep_up(database, rules)
        with database.reading() as connection:
            if not any(msgspec.structs.astuple(unscored.lag(connection))):
                return


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that work takes: wall time and processor time."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - busy


def rate(number: int, seconds: tuple[float, float]) -> str:
    """Return both rates, for people."""
    return f"{number / seconds[0]:,.0f}/s ({number / seconds[1]:,.0f} per processor second)"


if __name__ == "__main__":
    main()
