"""The names a host is asked for come from the ledger, on both databases."""

from cobalt_tasks.core.records import Facts, Hostname
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.hosts.names import MOST_NAMES, names_of


def keep(database: Database, *names: tuple[str, str, str, bool | None]) -> None:
    """Write names as (address, name, source, confirmed)."""
    rows = [
        Hostname(address=address, name=name, source=source, confirmed=confirmed, observed_at=1.0)
        for address, name, source, confirmed in names
    ]
    database.write(facts.write, Facts(hostnames=rows))


def asked(database: Database, *addresses: str) -> dict[str, tuple[str, ...]]:
    """Return the names of some hosts."""
    with database.reading() as connection:
        return names_of(connection, addresses)


def test_the_best_names_come_first(database: Database) -> None:
    """Confirmed names before others, certificates before redirects; what does not resolve back is left out."""
    keep(
        database,
        ("192.0.2.1", "redirect.example.com", "redirect", None),
        ("192.0.2.1", "certificate.example.com", "certificate", None),
        ("192.0.2.1", "wrong.example.com", "ptr", False),
        ("192.0.2.1", "host.example.com", "ptr", True),
        ("192.0.2.2", "scan.example.com", "zgrab2", None),
        ("192.0.2.3", "other.example.com", "ptr", True),
    )
    found = asked(database, "192.0.2.1", "192.0.2.2", "192.0.2.9")
    assert found == {
        "192.0.2.1": ("host.example.com", "certificate.example.com", "redirect.example.com"),
        "192.0.2.2": ("scan.example.com",),
    }


def test_many_names_are_bounded(database: Database) -> None:
    """A host with a thousand names is asked for a few of them."""
    keep(database, *(("192.0.2.1", f"n{number}.example.com", "certificate", None) for number in range(1000)))
    assert len(asked(database, "192.0.2.1")["192.0.2.1"]) == MOST_NAMES
