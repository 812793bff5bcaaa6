"""Local look-ups against a second reader of the same files: 10,000 random addresses of each family.

    python benchmarks/geolocation_readers.py

The other readers are maxminddb's decoder in Python instead of the one in C, and the published list of networks as text,
where `npm pack @ip-location-db/asn` can fetch it. Needs the databases that `cobalt geodb update` fetches.
"""

import csv
import random
import sys
import tempfile
from bisect import bisect_right
from ipaddress import ip_address
from pathlib import Path

import maxminddb

from cobalt_tasks.core import settings as environment
from cobalt_tasks.geolocation.local import download as sources
from cobalt_tasks.geolocation.local import layouts
from cobalt_tasks.geolocation.local.manifest import load
from cobalt_tasks.geolocation.local.mmdb import LocalDatabases

COUNT = 10_000


def addresses() -> list[str]:
    """Return random addresses, the wide ones where networks are announced."""
    draw = random.Random(5)
    narrow = [str(ip_address(draw.getrandbits(32))) for _ in range(COUNT)]
    wide = [str(ip_address((0x2 << 124) | (draw.getrandbits(24) << 100) | draw.getrandbits(100))) for _ in range(COUNT)]
    return narrow + wide


def networks(folder: Path) -> dict[int, list[tuple[int, int, int, str]]]:
    """Return the list of networks as it was published."""
    found: dict[int, list[tuple[int, int, int, str]]] = {4: [], 6: []}
    for file in sources.npm("asn", folder, print).files:
        version = 6 if "ipv6" in file.name else 4
        with file.open(encoding="utf-8", newline="") as opened:
            found[version] += [(int(a), int(b), int(n), name) for a, b, n, name in csv.reader(opened)]
    return {version: sorted(rows) for version, rows in found.items()}


def main() -> None:
    """Compare and print."""
    folder = environment.load().geodb_folder
    databases = LocalDatabases(folder)
    databases.refresh()
    city = load(folder).of("city")
    assert city
    second = [maxminddb.open_database(folder / file.name, maxminddb.MODE_MMAP) for file in city.files]
    with tempfile.TemporaryDirectory() as temporary:
        published = networks(Path(temporary))
    firsts = {version: [row[0] for row in rows] for version, rows in published.items()}
    wrong = located = announced = 0
    for address in addresses():
        said = {each.name: each.location for each in databases.look_up(address)}
        ours = said.get(f"mmdb:{city.title}")
        record = None
        for reader in second:
            if record is None and (":" not in address or reader.metadata().ip_version == 6):
                record = reader.get(address)
        theirs = None if record is None else layouts.read(record)
        located += theirs is not None
        parsed = ip_address(address)
        index = bisect_right(firsts[parsed.version], int(parsed)) - 1
        row = published[parsed.version][index] if index >= 0 else None
        number = row[2] if row and row[1] >= int(parsed) else None
        announced += number is not None
        network = said.get("mmdb:asn")
        wrong += ours != theirs or (network.asn if network else None) != number
    print(f"{2 * COUNT} addresses, {located} located, {announced} announced: {wrong} answers differ")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
