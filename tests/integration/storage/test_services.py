"""What is known of a port's service: kept by source, the best of those still fresh shown, in whatever order they come."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, select, text

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.records import Banner, Discovery, FactRank, Facts, HardwareAddress
from cobalt_tasks.core.settings import load
from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.derive import Planner
from cobalt_tasks.ingest.store import write_batch

NOW = 1760000000.0


def report(source: str, rank: FactRank, at: float = NOW, **known: str | None) -> Banner:
    """Return what a source reports of the one port."""
    return Banner(
        address="192.0.2.10",
        protocol="tcp",
        port=22,
        source=source,
        observed_at=at,
        text=source if known else "",
        raw=source.encode() if known else b"",
        rank=rank,
        **known,
    )


NMAP = report("nmap", FactRank.VERSION_SCAN, service="ssh", product="OpenSSH", version="8.9p1")
PROBE = report("probe", FactRank.PROBE, NOW + DAY, service="ssh", product="OpenSSH", version="8.9")
MASSCAN = report("masscan", FactRank.BANNER, NOW + 2 * DAY, service="ssh", version="2.0")
GUESS = report("nmap", FactRank.PORT_NUMBER, NOW + 3 * DAY, service="telnet")


def shown(database: Database) -> tuple[Any, ...]:
    """Return what is shown of the one port."""
    with database.reading() as connection:
        columns = tables.ports.c.service, tables.ports.c.product, tables.ports.c.version, tables.ports.c.banner
        return tuple(connection.execute(select(*columns)).one())


def write(connection: Connection, *found: Banner) -> None:
    """Store facts of services."""
    facts.write(connection, Facts(banners=list(found)))


def test_a_version_is_taken_from_the_next_source_that_names_the_product(database: Database) -> None:
    """Nmap that names the product alone leaves the version to our probe, if that names the same product, and to no other."""
    bare = report("nmap", FactRank.VERSION_SCAN, NOW + 2 * DAY, service="ssh", product="OpenSSH")
    database.write(write, PROBE, bare)
    assert shown(database)[:3] == ("ssh", "OpenSSH", "8.9")
    database.write(write, report("nmap", FactRank.VERSION_SCAN, NOW + 3 * DAY, service="ssh", product="dropbear"))
    assert shown(database)[:3] == ("ssh", "dropbear", None)


@pytest.mark.parametrize("at_once", [False, True])
def test_the_best_source_is_shown_in_any_order(database: Database, at_once: bool) -> None:
    """A version scan goes before our probe, that before a banner, that before traffic and a port's number; each is kept.

    Break: the sort key in services._shown.
    """
    for order in itertools.permutations((NMAP, PROBE, MASSCAN, GUESS)):
        for part in (order,) if at_once else [(each,) for each in order]:
            database.write(write, *part)
        assert shown(database) == ("ssh", "OpenSSH", "8.9p1", "nmap")
        with database.reading() as connection:
            assert len(connection.execute(select(tables.services)).all()) == 4
        with database.writing() as connection:
            connection.execute(text("DELETE FROM services"))
            connection.execute(text("DELETE FROM ports"))


def test_a_better_source_of_last_year_does_not_hide_todays(database: Database) -> None:
    """What is older than the latest by more than a month is kept, and not shown. Break: `_FRESH_SECONDS`."""
    database.write(write, NMAP)
    later = report("masscan", FactRank.BANNER, NOW + 365 * DAY, service="ssh", product="dropbear", version="2022.83")
    database.write(write, later)
    assert shown(database) == ("ssh", "dropbear", "2022.83", "masscan")
    database.write(write, NMAP)
    assert shown(database) == ("ssh", "dropbear", "2022.83", "masscan")


def test_older_news_changes_nothing_but_times(database: Database) -> None:
    """An old file read after a new one: what is shown stays, and the port is known for longer. Break: `>=` in write."""
    database.write(write, PROBE)
    database.write(write, report("probe", FactRank.PROBE, NOW - DAY, service="http", product="nginx"))
    assert shown(database) == ("ssh", "OpenSSH", "8.9", "probe")
    with database.reading() as connection:
        spans = connection.execute(
            text("SELECT first_seen, last_seen FROM services UNION SELECT first_seen, last_seen FROM ports")
        )
        assert set(map(tuple, spans)) == {(NOW - DAY, NOW + DAY)}


def test_another_service_takes_no_product_over(database: Database) -> None:
    """Newer news of one source replaces the service with all that belongs to it; the same service fills what is open."""
    database.write(write, PROBE)
    database.write(write, report("probe", FactRank.PROBE, NOW + 2 * DAY, service="ssh"))
    assert shown(database) == ("ssh", "OpenSSH", "8.9", "probe")
    database.write(write, report("probe", FactRank.PROBE, NOW + 3 * DAY, service="http"))
    assert shown(database) == ("http", None, None, "probe")


def test_ports_seen_in_traffic_are_kept_and_a_scan_confirms_them(database: Database, home: Path) -> None:
    """A port that traffic shows is marked, without a probe; once a scan reports it, it is a port like any other.

    Break: `seen_in_traffic` in the upsert of ports.
    """
    planner = Planner(load())

    def read(tool: str, found: Discovery) -> None:
        batch = Batch(1, NOW, tool)
        batch.discover(found)
        database.write(write_batch.write, planner.plan(batch))
        planner.committed(batch)

    def marks() -> list[tuple[Any, ...]]:
        with database.reading() as connection:
            rows = connection.execute(
                text("SELECT p.seen_in_traffic, h.discovered FROM ports p JOIN hosts h ON h.address = p.address")
            )
            return [tuple(map(bool, row)) for row in rows]

    known = Discovery(address="192.0.2.10", protocol="tcp", port=22, service="ssh", seen_in_traffic=True)
    scanned = Discovery(address="192.0.2.10", protocol="tcp", port=22)
    read("zeek", known)
    assert marks() == [(True, False)]
    assert shown(database)[0] == "ssh"
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs WHERE kind = 'banner'")).scalar_one() == 0
    read("masscan", scanned)
    assert marks() == [(False, True)]
    read("zeek", known)
    assert marks() == [(False, True)]
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs WHERE kind = 'banner'")).scalar_one() == 1


def test_mac_addresses_are_shown_with_their_host(sqlite_database: Database, home: Path) -> None:
    """`cobalt hosts IP` prints them, and as JSON what the API returns."""
    batch = Batch(1, NOW, "nmap")
    batch.discover(Discovery(address="192.168.1.2", protocol="tcp", port=22))
    batch.hardware("192.168.1.2", "b8:27:eb:00:00:01", None, NOW)
    sqlite_database.write(write_batch.write, Planner(load()).plan(batch))
    again = HardwareAddress(address="192.168.1.2", mac="b8:27:eb:00:00:01", source="nmap", observed_at=NOW + 1)
    sqlite_database.write(facts.write, Facts(hardware_addresses=[again]))
    printed = CliRunner().invoke(cobalt, ["hosts", "192.168.1.2"])
    assert "b8:27:eb:00:00:01" in printed.output
    assert "Raspberry Pi Foundation" in printed.output
    as_json = CliRunner().invoke(cobalt, ["hosts", "192.168.1.2", "--json"])
    assert '"vendor":"Raspberry Pi Foundation"' in as_json.output.replace(": ", ":")


def test_details_belong_to_the_product(database: Database) -> None:
    """What else is known of a service is shown with the product it was reported with, and goes with it."""

    def port() -> tuple[str | None, str | None]:
        with database.reading() as connection:
            row = connection.execute(text("SELECT product, details FROM ports WHERE address = '192.0.2.77'")).one()
            return row.product, row.details

    def seen(when: float, product: str | None, details: str | None) -> None:
        found = Banner(
            address="192.0.2.77",
            protocol="tcp",
            port=22,
            source="probe",
            observed_at=when,
            text="x",
            raw=b"x",
            service="ssh",
            product=product,
            details=details,
        )
        database.write(facts.write, Facts(banners=[found]))

    seen(1.0, "OpenSSH", '{"os":"Debian"}')
    assert port() == ("OpenSSH", '{"os":"Debian"}')
    seen(2.0, "OpenSSH", None)
    assert port() == ("OpenSSH", '{"os":"Debian"}')
    seen(3.0, "dropbear", None)
    assert port() == ("dropbear", None)
