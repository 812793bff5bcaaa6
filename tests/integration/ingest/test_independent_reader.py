"""What the ledger holds equals what an independent reader finds in the same files, in any order of the files."""

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.integration.ingest.conftest import commands
from tests.support import independent, sensors
from tests.support.waiting import wait_until

Ingest = Callable[..., Any]
NMAP = Path(__file__).parents[2] / "scans" / "nmap"
ORDERS = tuple(itertools.permutations(range(3)))


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def empty(database: Database) -> None:
    """Begin anew, faster than with another database."""
    with database.writing() as connection:
        for table in reversed(models.metadata.sorted_tables):
            connection.execute(table.delete())


def connections(database: Database) -> dict[str, tuple[Any, ...]]:
    """Return each connection by its identity: ends, protocol, start, details."""
    found = rows(
        database,
        "SELECT identity, src_ip, src_port, dst_ip, dst_port, protocol, observed_at, details FROM observations",
    )
    assert len({row[0] for row in found}) == len(found)
    return {key: (*ends, round(when, 6), json.loads(details or "{}")) for key, *ends, when, details in found}


def assert_equal(expected: dict[str, tuple[Any, ...]], found: dict[str, tuple[Any, ...]]) -> None:
    """Compare connection by connection; of the details what the independent reader kept."""
    assert found.keys() == expected.keys()
    for key, (*ends, details) in expected.items():
        *held, kept = found[key]
        assert held == ends, key
        assert {name: kept.get(name) for name in details} == details, key


def assert_balanced(database: Database) -> None:
    """Each record has one place in the ledger, and none was refused."""
    for read, accepted, duplicates, rejected, ignored in rows(
        database, "SELECT read, accepted, duplicates, rejected, ignored FROM sources"
    ):
        assert read == accepted + duplicates + ignored
        assert rejected == 0


def assert_zeek(database: Database, files: list[Path]) -> None:
    """Compare the ledger with conn.log, ssl.log and x509.log."""
    expected = independent.zeek(*files)
    assert_equal(expected["connections"], connections(database))
    certificates = rows(
        database, "SELECT fingerprint, subject, issuer, serial, not_before, not_after, names FROM certificates"
    )
    assert {
        fingerprint: {
            "subject": subject,
            "issuer": issuer,
            "serial": serial,
            "span": (start, end),
            "names": json.loads(names),
        }
        for fingerprint, subject, issuer, serial, start, end, names in certificates
    } == expected["certificates"]
    assert set(rows(database, "SELECT address, protocol, port, fingerprint FROM sightings")) == expected["shown"]
    assert set(rows(database, "SELECT address, name, source FROM hostnames")) == expected["names"]
    assert_balanced(database)


@pytest.mark.parametrize("as_json", [False, True], ids=["tsv", "json"])
def test_zeek_connection_by_connection(database: Database, ingest: Ingest, tmp_path: Path, as_json: bool) -> None:
    """Ends, protocol, start, service, bytes, certificates, who showed them, and names: as the three logs have them."""
    files = sensors.write_zeek(tmp_path, 600, as_json=as_json)
    for number, order in enumerate(ORDERS if as_json else ORDERS[:1]):
        empty(database)
        for each in order:
            copy = tmp_path / f"{number}-{files[each].name}"
            copy.write_bytes(files[each].read_bytes())
            ingest(copy)
        assert_zeek(database, files)


def assert_eve(database: Database, files: list[Path]) -> None:
    """Compare the ledger with the pieces of an eve.json."""
    expected = independent.eve(files)
    found = connections(database)
    for key, (*_, kept) in found.items():
        alerts = [each["signature_id"] for each in kept.get("alert", [])]
        kept |= {"alerts": sorted(set(alerts)), "bytes": kept.get("bytes_toserver"), "sni": kept.get("sni")}
        if expected["connections"][key][-1]["sni"] is None:
            kept["sni"] = None  # of QUIC
    assert_equal(expected["connections"], found)
    assert set(rows(database, "SELECT address, name, source FROM hostnames")) == expected["names"]
    assert_balanced(database)


def test_eve_with_its_rotated_part(database: Database, ingest: Ingest, tmp_path: Path) -> None:
    """A flow whose events lie in both parts is one connection, with the client as the source and the flow's start."""
    files = sensors.write_eve(tmp_path, 500)
    for number, order in enumerate(((0, 1), (1, 0))):
        empty(database)
        for each in order:
            copy = tmp_path / f"{number}-{files[each].name}"
            copy.write_bytes(files[each].read_bytes())
            ingest(copy)
        assert_eve(database, files)


def test_nmap_port_by_port(database: Database, ingest: Ingest, tmp_path: Path) -> None:
    """The three files of one -oA, in any order and each alone: the services, products and versions of the XML."""
    expected = independent.nmap(NMAP / "services.xml")
    names = ("services.nmap", "services.gnmap", "services.xml")
    for number, order in enumerate((*itertools.permutations(names), *((each,) for each in names))):
        empty(database)
        for name in order:
            copy = tmp_path / f"{number}-{name}"
            copy.write_bytes((NMAP / name).read_bytes())
            ingest(copy)
        found = rows(database, "SELECT address, protocol, port, service, product, version FROM ports")
        assert {tuple(row[:3]): tuple(row[3:]) for row in found} == expected["ports"], order
        assert {row[0] for row in rows(database, "SELECT address FROM hosts")} == expected["hosts"], order
        held = rows(database, "SELECT address, name, source FROM hostnames WHERE source = 'ptr'")
        assert set(held) == expected["names"], order
        assert_balanced(database)


@pytest.mark.long
@pytest.mark.parametrize("sensor", ["zeek", "eve", "nmap"])
def test_the_same_with_kill_9_in_between(database: Database, home: Path, tmp_path: Path, sensor: str) -> None:
    """Killed four times at any moment and started again: the facts are those of the independent reader.

    Break: write a checkpoint in another transaction than the rows before it.
    """
    if sensor == "nmap":
        files = [NMAP / f"services.{end}" for end in ("gnmap", "nmap", "xml")]
    else:
        files = (
            sensors.write_zeek(tmp_path, 3000, as_json=False) if sensor == "zeek" else sensors.write_eve(tmp_path, 3000)
        )
    draw = random.Random(sensor)
    names = [str(each) for each in draw.sample(files, len(files))]
    with commands() as begin:
        for _ in range(4):
            process, seen = begin(*names, "--json"), read_so_far(database)
            enough = seen + draw.randrange(1, 1500)
            wait_until(
                lambda p=process, n=enough: p.poll() is not None or read_so_far(database) >= n, "lines are stored"
            )
            process.kill()
            process.wait()
        done = begin(*names, "--json")
        done.communicate()
        assert done.returncode == 0
    if sensor == "zeek":
        assert_zeek(database, files)
    elif sensor == "eve":
        assert_eve(database, files)
    else:
        found = rows(database, "SELECT address, protocol, port, service, product, version FROM ports")
        assert {tuple(row[:3]): tuple(row[3:]) for row in found} == independent.nmap(NMAP / "services.xml")["ports"]


def read_so_far(database: Database) -> int:
    """Return how many records were read."""
    return int(rows(database, "SELECT coalesce(sum(read), 0) FROM sources")[0][0])
