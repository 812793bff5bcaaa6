"""Local geolocation, claim to commit, against a bare loop that looks the same addresses up and writes the same rows.

    python benchmarks/geolocation.py [--addresses 10000] [--database sqlite|postgresql] [--server URL]

Both in one process, in turn, several times. The bare loop claims nothing and guards nothing: it opens the same files,
builds the same rows and writes them (the location, how long it is fresh, the job that is done) in batches of the same
size with the plain driver. Needs the databases that `cobalt geodb update` fetches.
"""

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

import maxminddb
import psycopg
from servers import ledgers, servers

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.countries import country_name
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.geolocation.local.asn_table import AsnTable
from cobalt_tasks.geolocation.local.manifest import load
from cobalt_tasks.geolocation.store import ready
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import complete

# What a flood travels in once its pace is known.
BATCH = BY_NAME["geolocation"].most
ROUNDS = 3
COLUMNS = [column.name for column in models.locations.c]
UPDATES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "address")


def batches(addresses: Sequence[str]) -> Iterator[list[str]]:
    """Cut into batches."""
    every = iter(addresses)
    while batch := list(islice(every, BATCH)):
        yield batch


def bare_rows(folder: Path) -> Callable[[str, float], tuple[object, ...]]:
    """Return what makes a row of an address."""
    manifest = load(folder)
    city, asn = manifest.of("city"), manifest.of("asn")
    assert city
    assert asn
    reader = maxminddb.open_database(folder / city.files[0].name, maxminddb.MODE_MMAP_EXT)
    table = AsnTable(folder / asn.files[0].name)
    sources = json.dumps({"asn": "mmdb:asn", "organisation": "mmdb:asn"})

    def row(address: str, now: float) -> tuple[object, ...]:
        place = reader.get(address) or {}
        network = table.get(address) or (None, None)
        code = place.get("country_code")
        known = {
            "address": address,
            "country_code": code,
            "country_name": country_name(code),
            "region": place.get("state1") or None,
            "city": place.get("city") or None,
            "latitude": place.get("latitude"),
            "longitude": place.get("longitude"),
            "timezone": place.get("timezone") or None,
            "asn": network[0],
            "organisation": network[1],
            "isp": None,
            "provider": "mmdb",
            "sources": sources,
            "fetched_at": now,
            "database_built": city.built,
            "raw": json.dumps({"dbip-city": place, "asn": network}),
        }
        return tuple(known[name] for name in COLUMNS)

    return row


def bare(url: str, folder: Path, addresses: Sequence[str]) -> float:
    """Return the seconds of the bare loop."""
    row = bare_rows(folder)
    is_sqlite = url.startswith("sqlite")
    connection = sqlite3.connect(url.removeprefix("sqlite:///")) if is_sqlite else psycopg.connect(url)
    mark = "?" if is_sqlite else "%s"
    location = f"INSERT INTO locations ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))}) "
    location += f"ON CONFLICT (address) DO UPDATE SET {UPDATES}"
    fresh = "INSERT INTO freshness (kind, address, protocol, port, fresh_until) "
    fresh += f"VALUES ('geolocation', {mark}, '', 0, {mark}) "
    fresh += "ON CONFLICT (kind, address, protocol, port) DO UPDATE SET fresh_until = excluded.fresh_until"
    done = f"UPDATE jobs SET state = 'done', outcome = 'located', started_at = {mark}, finished_at = {mark} WHERE id = {mark}"
    cursor = connection.cursor()
    if is_sqlite:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("SELECT address, id FROM jobs WHERE state = 'pending'")
    ids = dict(cursor.fetchall())
    started = time.perf_counter()
    for batch in batches(addresses):
        now = time.time()
        cursor.executemany(location, [row(address, now) for address in batch])
        cursor.executemany(fresh, [(address, now + 30 * 86400) for address in batch])
        cursor.executemany(done, [(now, now, ids[address]) for address in batch])
        connection.commit()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def make_jobs(database: Database, addresses: Sequence[str]) -> list[int]:
    """Make a job for each address; return their ids."""
    for batch in batches(addresses):
        database.write(creation.create, [NewJob(kind="geolocation", address=each, forced=True) for each in batch])
    with database.reading() as connection:
        ids = ready(connection, None, len(addresses))
    assert len(ids) == len(addresses)
    return ids


def ours(database: Database, geolocator: Geolocator, ids: Sequence[int]) -> float:
    """Return the seconds of the jobs, from the claim to the commit."""
    started = time.perf_counter()
    for start in range(0, len(ids), BATCH):
        claim = database.write(jobs.claim, "geolocation", ids[start : start + BATCH], 15.0)
        outcomes = geolocator.local(claim.jobs)
        database.write(complete, claim.token, outcomes)
    return time.perf_counter() - started


def located(geolocator: Geolocator, count: int) -> list[str]:
    """Return so many different addresses that the local databases know."""
    assert geolocator.databases
    geolocator.databases.refresh()
    generator = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < count:
        address = str(ip_address(generator.getrandbits(32)))
        if is_public(address) and geolocator.databases.locate(address, 0.0):
            found[address] = None
    return list(found)


def measure(url: str, folder: Path, geolocator: Geolocator, addresses: Sequence[str]) -> None:
    """Measure one database, and print ratios."""
    database = Database(url)
    name = database.engine.dialect.name
    models.metadata.create_all(database.engine)
    ratios = []
    for _ in range(ROUNDS):
        make_jobs(database, addresses)
        bare_seconds = bare(url, folder, addresses)
        seconds = bare_seconds, ours(database, geolocator, make_jobs(database, addresses))
        ratios.append(seconds[0] / seconds[1])
        rates = [len(addresses) / each for each in seconds]
        print(f"{name}: bare {rates[0]:,.0f}/s, ours {rates[1]:,.0f}/s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"{name}: ratio {statistics.median(ratios):.2f} (median of {ROUNDS})", flush=True)
    database.dispose()


def main() -> None:
    """Measure every database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--addresses", type=int, default=10_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    wishes = parser.parse_args()
    kinds = wishes.database or ["sqlite", "postgresql"]
    own = environment.load()
    geolocator = Geolocator(own)
    addresses = located(geolocator, wishes.addresses)
    with (
        tempfile.TemporaryDirectory(prefix="cobalt-bench-") as folder,
        servers(wishes.server, needed="postgresql" in kinds) as server,
    ):
        for kind in kinds:
            urls = ledgers(kind, server, folder, empty=True)
            measure(next(urls), own.geodb_folder, geolocator, addresses)
            urls.close()


if __name__ == "__main__":
    main()
