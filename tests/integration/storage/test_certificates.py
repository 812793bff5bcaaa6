"""Certificates by the time they expire: where they are, and what took their place."""

import ssl
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from cobalt_tasks.cli import main
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.records import Certificate, Facts, Sighting
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import certificates as table
from cobalt_tasks.db.tables import hosts, ports
from cobalt_tasks.hosts import certificates, facts
from cobalt_tasks.hosts.exports import stream
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.views import certificates as views
from cobalt_tasks.views.page_marks import PageMarkError

DAY = 86400.0
NOW = time.time()


def certificate(
    number: int, days: float, *, name: str = "www.example.com", issuer: str = "CN=CA", key: str = ""
) -> Certificate:
    """A certificate that expires in some days."""
    return Certificate(
        fingerprint=f"{number:064x}", der=b"", subject="", issuer=issuer, serial=str(number), not_before=0.0,
        not_after=NOW + days * DAY, self_signed=False, names=(name,), public_key=key,
    )  # fmt: skip


def seen(
    number: int, days_ago: float, *, address: str = "192.0.2.1", port: int = 443, source: str = "probe"
) -> Sighting:
    """That a source saw it on a port some days ago."""
    return Sighting(
        address=address, protocol="tcp", port=port, fingerprint=f"{number:064x}", source=source,
        observed_at=NOW - days_ago * DAY,
    )  # fmt: skip


def write(database: Database, described: list[Certificate], shown: list[Sighting]) -> None:
    """Write certificates, and where they were seen."""
    with database.writing() as connection:
        facts.write(connection, Facts(certificates=described, sightings=shown))


def listed(database: Database, query: str = "", limit: int = 100, **which: object) -> dict[int, dict[str, object]]:
    """The certificates of a page, by their numbers."""
    search = find.read(database, query, Searchable.CERTIFICATES)
    choice = {"expiring": None, "expired": False, **which}
    page = views.page(database, views.wanted(search, **choice), limit)
    return {int(row["fingerprint"], 16): row for row in page["items"]}


def test_what_expires_comes_in_its_order_with_its_ports(database: Database) -> None:
    """The nearest expiry first; each certificate once, with every port, and the sources that saw it there."""
    write(
        database,
        [certificate(1, 20), certificate(2, 5, name="b.example.com"), certificate(3, -3, name="c.example.com"), certificate(4, 400, name="d")],
        [seen(1, 1), seen(1, 2, source="zeek"), seen(1, 1, address="192.0.2.2", port=8443), seen(2, 1, port=25), seen(3, 1, port=993), seen(4, 1, port=1)],
    )  # fmt: skip
    assert list(listed(database)) == [3, 2, 1, 4]
    assert list(listed(database, expiring="30d")) == [2, 1]
    assert list(listed(database, expired=True)) == [3]
    row = listed(database)[1]
    assert row["state"] == "expiring"
    assert [(port["address"], port["port"], port["sources"]) for port in row["ports"]] == [
        ("192.0.2.1", 443, ["probe", "zeek"]),
        ("192.0.2.2", 8443, ["probe"]),
    ]
    with database.reading() as connection:
        assert certificates.expiries(connection) == certificates.Expiries(expired=1, soon=2)


@pytest.mark.parametrize(
    ("new", "shown_days_ago", "is_renewal"),
    [
        # The same names and issuer, seen once the old one no longer was.
        (certificate(2, 90, key="b"), (1.0,), True),
        # The same key, from another authority.
        (certificate(2, 90, issuer="CN=other", key="a"), (1.0,), True),
        # Neither, but the port shows nothing else any more.
        (certificate(2, 90, issuer="CN=other", key="b"), (1.0,), True),
        # Both are shown in turn: a server with two keys.
        (certificate(2, 90, key="b"), (9.0, 3.5), False),
        # Another name on the same port.
        (certificate(2, 90, name="other.example.com", key="b"), (1.0,), False),
    ],
)
def test_renewals_are_recognised(
    database: Database, new: Certificate, shown_days_ago: tuple[float, ...], is_renewal: bool
) -> None:
    """A certificate that another one replaced on its port is not one that expires: the new one is."""
    write(database, [certificate(1, 10, key="a")], [seen(1, 20)])
    for days in (*shown_days_ago, 4.0):
        write(
            database, [new], [seen(2 if days != 4.0 else 1, days)] if not is_renewal else [seen(2, min(shown_days_ago))]
        )
    assert (1 in listed(database, expiring="30d")) is not is_renewal
    old = listed(database)[1]
    assert old["in_use"] is not is_renewal
    assert (old["ports"][0]["replaced_by"] == new.fingerprint) is is_renewal
    with database.reading() as connection:
        assert certificates.expiries(connection).soon == (0 if is_renewal else 1)


def test_a_certificate_counts_until_its_last_port_has_another(database: Database) -> None:
    """Renewed on one of two ports, it is still one that expires; once the other port is closed, it is not.

    An export has for each port whether it shows it still. Break: `is_in_use`.
    """

    def exported() -> dict[tuple[int, int], bool]:
        return {
            (row["port"], int(row["fingerprint"], 16)): row["in_use"] for row in stream(database, "certificates").rows
        }

    write(database, [certificate(1, 10), certificate(2, 90)], [seen(1, 9), seen(1, 9, port=8443), seen(2, 1)])
    row = listed(database, expiring="30d")[1]
    assert [port["replaced_by"] for port in row["ports"]] == [f"{2:064x}", None]
    assert exported() == {(443, 1): False, (443, 2): True, (8443, 1): True}
    known = {"address": "192.0.2.1", "protocol": "tcp", "first_seen": NOW, "last_seen": NOW}
    with database.writing() as connection:
        connection.execute(insert(hosts).values(address="192.0.2.1", first_seen=NOW, last_seen=NOW, discovered=True))
        connection.execute(insert(ports).values(port=8443, **known))
        connection.execute(update(ports).values(closed_since=NOW))
    assert listed(database, expiring="30d") == {}
    assert exported() == {(443, 1): False, (443, 2): True, (8443, 1): False}


def test_pages_have_every_certificate_once(database: Database) -> None:
    """Pages behind each other list all that match a query, also where many expire at one moment."""
    described = [certificate(number, number % 3, name=f"n{number}.example.com") for number in range(1, 31)]
    write(database, described, [seen(number, 1, port=number) for number in range(1, 31)])
    search = find.read(database, "cert.name:*.example.com port:>10", Searchable.CERTIFICATES)
    found, mark = [], None
    while True:
        page = views.page(database, views.wanted(search, expiring=None, expired=False), 7, mark)
        found += [row["fingerprint"] for row in page["items"]]
        if (mark := page["next"]) is None:
            break
    wanted = sorted((each.not_after, each.fingerprint) for each in described if int(each.serial) > 10)
    assert found == [fingerprint for _, fingerprint in wanted]
    with pytest.raises(PageMarkError):
        views.page(database, views.wanted(search, expiring=None, expired=False), 7, "bm9uZQ")


def test_rare_and_frequent_queries_find_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk in order and a look-up by an index return the same page."""
    described = [certificate(number, number, name=f"n{number}.example.com") for number in range(1, 21)]
    write(database, described, [seen(number, 1, port=440 + number % 4) for number in range(1, 21)])
    rare = list(listed(database, "port:443", expiring="13d"))
    monkeypatch.setattr(find, "_FEW", 1)
    walked = list(listed(database, "port:443", expiring="13d"))
    monkeypatch.setattr(certificates, "_WALKED", (3, 4))
    assert rare == walked == list(listed(database, "port:443", expiring="13d")) == [3, 7, 11]
    assert list(listed(database, expiring="15d", limit=13)) == list(range(1, 14))


def test_wrong_use_names_what_to_write(sqlite_database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    """A time that is none, and two options that exclude each other, end with 2 and one line."""
    with pytest.raises(ConfigurationError, match="write 30d, 2w or 12h"):
        listed(sqlite_database, expiring="soon")
    with pytest.raises(SystemExit) as ended:
        main(["certificates", "--expiring", "30d", "--expired"])
    assert ended.value.code == 2
    assert "exclude each other" in capsys.readouterr().err


def test_the_command_prints_names_expiry_and_ports(
    sqlite_database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table has when it expires, for which name, from whom, and where; control characters are escaped."""
    monkeypatch.setenv("COLUMNS", "140")
    write(sqlite_database, [certificate(1, 10.5, issuer="CN=\x1b[2J")], [seen(1, 1), seen(1, 1, address="192.0.2.7")])
    with pytest.raises(SystemExit) as ended:
        main(["certificates", "--expiring", "30d", "port:443"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for part in ("10 d", "www.example.com", "CN=\\x1b[2J", "192.0.2.1 443/tcp, 192.0.2.7 443/tcp"):
        assert part in printed


def test_the_key_of_older_rows_is_filled_in(tmp_path: Path) -> None:
    """An upgrade computes the digest of the key from the certificates there are."""
    from alembic import command
    from alembic.config import Config

    from cobalt_tasks.core import x509
    from cobalt_tasks.db import schema
    from cobalt_tasks.lab.certificate import _make

    der = ssl.PEM_cert_to_DER_cert(_make("127.0.0.1").decode().partition("-----END PRIVATE KEY-----")[2].strip())
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(schema._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0020")
        old = {
            "fingerprint": "a",
            "der": der,
            "subject": "",
            "issuer": "",
            "serial": "",
            "not_before": 0,
            "not_after": 0,
        }
        names = "fingerprint, der, subject, issuer, serial, not_before, not_after, self_signed, names"
        values = ", ".join(f":{name.strip()}" for name in names.split(","))
        connection.execute(
            text(f"INSERT INTO certificates ({names}) VALUES ({values})"), {**old, "self_signed": True, "names": "[]"}
        )
    schema.upgrade(database)
    with database.reading() as connection:
        key = connection.execute(select(table.c.public_key)).scalar_one()
    database.dispose()
    assert key == x509.key_digest(der) == x509.parse(der).public_key
    assert len(key) == 64
