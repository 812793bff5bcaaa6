"""`cobalt forget`: what it deletes, what stays, and that it can be stopped."""

from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import func, insert, select

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.records import Observation
from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import forget
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store import write_batch
from tests.integration.search.conftest import fill

QUEUES = {"search_queue", "corrected_hosts", "unscored_hosts", "new_findings"}
BY_HOST = [table for table in tables.metadata.sorted_tables if "address" in table.c and table.name not in QUEUES]


@pytest.fixture
def ledger(database: Database) -> Database:
    """A filled ledger with a source and rejects, on each database."""
    fill(database)
    with database.writing() as connection:
        counts = {"read": 9, "accepted": 5, "rejected": 3, "created_at": 0.0, "updated_at": 0.0}
        connection.execute(insert(tables.sources), {"id": 1, "name": "scan.json", **counts})
        # Looked up without a host: cobalt geolocate --ip.
        connection.execute(insert(tables.locations).values(address="10.0.1.250", provider="mmdb", fetched_at=0.0))
        lines = [b"src=10.0.1.7 is odd", b"2001:db8:a::a said no", b"10.0.1.70", b"nothing"]
        reject = {"source_id": 1, "position": 0, "reason": "no JSON", "arrived_at": 0.0}
        connection.execute(insert(tables.rejects), [{"line": line, **reject} for line in lines])
        found = {"source_id": 1, "protocol": "tcp", "port": 1, "banner_key": "", "observed_at": 0.0, "arrived_at": 0.0}
        connection.execute(
            insert(tables.discoveries), [{"address": "10.0.1.7", **found}, {"address": "9.9.9.9", **found}]
        )
    return database


def rows(database: Database, table: str, *conditions: object) -> int:
    """How many rows of a table meet conditions."""
    with database.reading() as connection:
        chosen = select(func.count()).select_from(tables.metadata.tables[table]).where(*conditions)
        return connection.execute(chosen).scalar_one()


def test_a_network_is_forgotten_everywhere(ledger: Database, home: Path) -> None:
    """No table names a host of it, no reject does, and the others are untouched. Break: leave out a table."""
    before = rows(ledger, "hosts")
    inside = rows(ledger, "hosts", tables.hosts.c.address.like("10.0.1.%"))
    assert 0 < inside < before
    printed = CliRunner().invoke(cobalt, ["forget", "10.0.1.0/24"])
    assert printed.exit_code == 0
    assert f"hosts: {inside} deleted" in printed.output
    for table in BY_HOST:
        assert rows(ledger, table.name, table.c.address.like("10.0.1.%")) == 0, table.name
    seen = tables.observations.c
    assert rows(ledger, "observations", seen.src_ip.like("10.0.1.%") | seen.dst_ip.like("10.0.1.%")) == 0
    assert rows(ledger, "hosts") == before - inside
    with ledger.reading() as connection:
        assert sorted(connection.execute(select(tables.rejects.c.line)).scalars()) == [
            b"2001:db8:a::a said no",
            b"nothing",
        ]
    orphans = tables.certificates.c.fingerprint.not_in(select(tables.sightings.c.fingerprint))
    assert rows(ledger, "certificates", orphans) == 0
    assert CliRunner().invoke(cobalt, ["forget", "10.0.1.0/24"]).output == "Nothing was known.\n"


def test_alerts_and_first_scans_are_forgotten(ledger: Database, home: Path) -> None:
    """Messages lose what they list of its hosts, and those about nothing else go; its next scan is the first one again."""
    alert = {"rule": "r", "receiver": "x", "severity": "info", "state": "pending", "created_at": 0.0, "due_at": 0.0}
    listed = [("10.0.1.7", None), ("9.9.9.9", "10.0.1.8"), ("9.9.9.9", "2001:db8::1")]
    with ledger.writing() as connection:
        for number, addresses in enumerate(listed):
            items = [{"address": each, "text": str(each)} for each in addresses if each]
            values = {"key": str(number), "count": len(items) + number, "items": msgspec.json.encode(items).decode()}
            connection.execute(insert(tables.alerts).values(alert | values))
        for network in ("10.0.1.0/24", "10.0.2.0/24", "2001:db8::/64"):
            connection.execute(insert(tables.scanned_networks).values(network=network, source_id=1, found_at=0.0))
    printed = CliRunner().invoke(cobalt, ["forget", "10.0.0.0/23"]).output
    assert "alerts: 2 deleted" in printed
    assert "scanned_networks: 1 deleted" in printed
    with ledger.reading() as connection:
        left = connection.execute(
            select(tables.alerts.c["count"], tables.alerts.c["items"]).order_by(tables.alerts.c.id)
        ).all()
        networks = set(connection.execute(select(tables.scanned_networks.c.network)).scalars())
    assert [(count, "10.0.1" in items) for count, items in left] == [(2, False), (4, False)]
    assert networks == {"10.0.2.0/24", "2001:db8::/64"}


def test_a_source_is_forgotten_but_its_counts_stay(ledger: Database, home: Path) -> None:
    """Its connections, discoveries and rejects go; hosts and the counts of the source stay."""
    hosts = rows(ledger, "hosts")
    printed = CliRunner().invoke(cobalt, ["forget", "--source", "scan.json"]).output
    assert "observations: 1,500 deleted" in printed
    assert "rejects: 4 deleted" in printed
    assert [rows(ledger, name) for name in ("observations", "discoveries", "rejects")] == [0, 0, 0]
    assert rows(ledger, "hosts") == hosts
    with ledger.reading() as connection:
        assert connection.execute(select(tables.sources.c.read, tables.sources.c.accepted)).one() == (9, 5)


def test_it_goes_in_small_transactions(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction deletes more than some hosts; one that is stopped is finished by the next."""
    monkeypatch.setattr(forget, "_HOSTS_AT_ONCE", 5)
    written = 0
    write = Database.write

    def counted(self: Database, *args: object, **kwargs: object) -> object:
        nonlocal written
        written += 1
        if written == 6:
            raise KeyboardInterrupt
        return write(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "write", counted)
    network = ip_network("10.0.0.0/16")
    with pytest.raises(KeyboardInterrupt):
        forget.forget_network(ledger, network)
    assert rows(ledger, "hosts", tables.hosts.c.address.like("10.0.%")) > 0
    forget.forget_network(ledger, network)
    assert rows(ledger, "hosts", tables.hosts.c.address.like("10.0.%")) == 0


def test_wrong_usage_is_refused(ledger: Database, home: Path) -> None:
    """Neither, both, no address, no such source: one line that says what to do."""
    for arguments in ([], ["10.0.0.1", "--source", "x"], ["nowhere"], ["--source", "nosuch"]):
        assert CliRunner().invoke(cobalt, ["forget", *arguments]).exit_code != 0


def identified(database: Database, source_id: int = 1) -> tuple[int, int]:
    """Store six connections with an identity, half of them from 10.0.1.7; return how many were new, how many known."""
    batch = Batch(source_id, 1e9, "zeek")
    for number in range(6):
        ends = {"src_ip": "10.0.1.7" if number % 2 else "198.51.100.2", "dst_ip": "9.9.9.9", "dst_port": 443}
        batch.observe(Observation(**ends, src_port=1, identity=f"C{number}", observed_at=1e9))  # type: ignore[arg-type]
    tally = database.write(write_batch.write, batch)
    return tally.accepted, tally.duplicates


@pytest.mark.parametrize("what", [["10.0.1.0/24"], ["--source", "scan.json"], ["scan.json"]])
def test_what_is_forgotten_is_new_when_it_is_read_again(ledger: Database, home: Path, what: list[str]) -> None:
    """Also connections with an identity; those that were not forgotten are duplicates. Break: _forget_identified."""
    assert identified(ledger) == (6, 0)
    assert identified(ledger, source_id=2) == (0, 6)
    command = ["sources", "forget"] if what == ["scan.json"] else ["forget"]
    assert CliRunner().invoke(cobalt, [*command, *what]).exit_code == 0
    gone = 3 if what == ["10.0.1.0/24"] else 6
    assert rows(ledger, "identities") == 6 - gone
    assert identified(ledger, source_id=2) == (gone, 6 - gone)
    assert rows(ledger, "observations", tables.observations.c.identity.is_not(None)) == 6
