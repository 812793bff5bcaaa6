"""Hosts by score, and facets of everything, on both databases."""

import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, insert, select, text, update

from cobalt_tasks.core.addresses import sort_key
from cobalt_tasks.db import counts
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.exports import stream
from cobalt_tasks.hosts.search import facets_of_all, find, orders
from cobalt_tasks.hosts.search.fields import FIELDS, Searchable
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.views import search as views
from tests.integration.search.test_search import found
from tests.integration.storage.test_plans import plans


def test_hosts_come_by_score(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The highest first, each once over all pages, the same hosts as by time, without those of score 0.

    Found through the order, and through an index. Break: `behind` in by_score.keys.
    """
    for query in ("", "country:DE,NL", "-service:http", "port:22 seen:<15d"):
        search = find.read(ledger, query, Searchable.HOSTS)
        wanted = [row for row in found(ledger, query, Searchable.HOSTS) if row["score"]]
        wanted.sort(key=lambda row: (row["score"], row["address"]), reverse=True)
        assert len(wanted) > 7
        for walked in (1, 4000):
            monkeypatch.setattr("cobalt_tasks.hosts.search.by_score._WALKED", walked)
            addresses: list[str] = []
            mark: str | None = None
            while len(addresses) <= len(wanted):
                page = views.page(ledger, search, 7, mark, order=HostOrder.SCORE)
                addresses += [row["address"] for row in page["items"]]
                if (mark := page["next"]) is None:
                    break
            assert addresses == [row["address"] for row in wanted]


def test_hosts_come_by_address(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest first, IPv4 before IPv6, each once over all pages, the same hosts as by time.

    Found through the order, and through an index. Break: `order_by` in by_address.
    """
    for query in ("", "country:DE,NL", "-service:http", "port:22 seen:<15d"):
        search = find.read(ledger, query, Searchable.HOSTS)
        wanted = sorted((row["address"] for row in found(ledger, query, Searchable.HOSTS)), key=sort_key)
        assert len(wanted) > 7
        for walked in (1, 4000):
            monkeypatch.setattr("cobalt_tasks.hosts.search.by_address._WALKED", walked)
            addresses: list[str] = []
            mark: str | None = None
            while len(addresses) <= len(wanted):
                page = views.page(ledger, search, 7, mark, order=HostOrder.ADDRESS)
                addresses += [row["address"] for row in page["items"]]
                if (mark := page["next"]) is None:
                    break
            assert addresses == wanted
    with plans(ledger) as seen:
        views.page(ledger, find.read(ledger, "country:DE", Searchable.HOSTS), 7, order=HostOrder.ADDRESS)
    # The sample is small: PostgreSQL would rather read it whole.
    assert not ledger.is_sqlite or any("ix_hosts_address_key" in plan for plan in seen)


def _repeat_facts(ledger: Database) -> None:
    """Let hosts have a second finding of the same rule, and ports the same certificate from a second source."""
    with ledger.writing() as connection:
        for table, column in ((models.findings, "subject"), (models.sightings, "source")):
            rows = [dict(row) for row in connection.execute(select(table)).mappings()]
            connection.execute(insert(table), [{**row, column: "other"} for row in rows])


def test_a_facet_counts_what_its_value_finds(ledger: Database) -> None:
    """Each number of a facet is that of the rows its value finds: each row once, facts of closed ports left out.

    Break: `_has_many` or `_is_shown` in search/facets.
    """
    _repeat_facts(ledger)
    for target in Searchable:
        names = [field.name for field in FIELDS if field.facet and target in field.places]
        counted = views.facets(ledger, find.read(ledger, "seen:<1y", target), names)
        for name in names:
            for each in counted.facets[name][:5]:
                search = find.read(ledger, f'seen:<1y {name}:"{each.value}"', target)
                assert (name, target, views.count(ledger, search).count) == (name, target, each.count)


def test_facets_of_everything_are_counted_by_the_upkeep(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what counting all rows gives, closed ports left out, with the total of all rows, and when that was.

    Break: the condition on closed ports in facets_of_all, or one of the conditions on addresses.
    """
    _repeat_facts(ledger)
    began = time.time()
    monkeypatch.setattr(facets_of_all, "_HOSTS_AT_ONCE", 7)
    for table in (models.hosts, models.ports):
        with ledger.writing() as connection:
            number = connection.execute(select(func.count()).select_from(table)).scalar_one()
            connection.execute(text("DELETE FROM counts WHERE name = :name"), {"name": table.name})
            counts.add(connection, table, number)
    names = {
        target: [field.name for field in FIELDS if field.facet and target in field.places]
        for target in (Searchable.HOSTS, Searchable.PORTS)
    }
    everything = {target: find.read(ledger, "", target) for target in names}
    counted = {target: views.facets(ledger, everything[target], names[target]) for target in names}
    refreshing, rounds = facets_of_all.FacetsOfAll(), 1
    while refreshing.refresh(ledger, 0.0):
        rounds += 1
    assert rounds > 2 * sum(map(len, names.values()))
    for target, wanted in names.items():
        with ledger.reading() as connection:
            assert facets_of_all.find(connection, target, wanted) is not None
        kept = views.facets(ledger, everything[target], wanted)
        assert counted[target].counted_at is None
        assert kept == msgspec.structs.replace(counted[target], counted_at=kept.counted_at)
        assert began - 1 <= kept.counted_at <= time.time() + 1


def test_exports_have_the_order_of_a_list(ledger: Database) -> None:
    """Hosts are exported in the order in which a list shows them, with and without a query. Break: `order` in exports.pages."""
    for query in ("", "country:DE,NL"):
        search = find.read(ledger, query, Searchable.HOSTS)
        for order in HostOrder:
            listed = views.page(ledger, search, 500, order=order)["items"]
            exported = stream(ledger, "hosts", search if query else None, order).rows
            assert [row["address"] for row in exported] == [row["address"] for row in listed]


def test_an_export_has_each_host_that_moves_meanwhile(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is seen again while hosts that match are exported is among them. Break: export in the order of a list."""
    monkeypatch.setattr("cobalt_tasks.hosts.search.orders._KEYS_AT_ONCE", 10)
    host = {"first_seen": 1.0, "discovered": True}
    rows = [{**host, "address": f"10.0.0.{number}", "last_seen": float(number)} for number in range(1, 101)]
    database.write(lambda c: c.execute(insert(models.hosts), rows))
    exported = stream(database, "hosts", find.read(database, "net:10.0.0.0/8", Searchable.HOSTS)).rows
    addresses = [next(exported)["address"]]
    for number in (2, 50, 98):
        this = models.hosts.c.address == f"10.0.0.{number}"
        seen = time.time() + number
        database.write(
            lambda c, this=this, seen=seen: c.execute(update(models.hosts).where(this).values(last_seen=seen))
        )
    addresses += [row["address"] for row in exported]
    assert sorted(addresses) == sorted(row["address"] for row in rows)


def test_an_export_has_the_rows_of_its_query_however_they_are_found(
    ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gathered by an index or looked at one by one: the same rows in the same order, each once.

    Where gathering is slow, it is done for the first part alone. Break: `last` of `_walked`, or the rates in `all_keys`.
    """
    queries = [
        (Searchable.HOSTS, each, order) for each in ("port:22", "-service:http", "seen:<9y") for order in HostOrder
    ]
    queries += [(Searchable.PORTS, "country:DE,NL", HostOrder.ADDRESS)]
    queries += [
        (Searchable.CONNECTIONS, "port:443", HostOrder.ADDRESS),
        (Searchable.CERTIFICATES, "seen:<9y", HostOrder.ADDRESS),
    ]
    gather, now = orders._gathered, [0.0]
    monkeypatch.setattr(orders, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for target, query, order in queries:
        search = find.read(ledger, query, target)
        monkeypatch.setattr(orders, "_KEYS_AT_ONCE", 100_000)
        monkeypatch.setattr(orders, "_gathered", gather)
        (whole,) = orders.all_keys(ledger, search, order)
        monkeypatch.setattr(orders, "_KEYS_AT_ONCE", 7)
        monkeypatch.setattr(orders, "_LOOKED_AT", 40)
        gathers = []

        def slow(*arguments: Any, gathers: list[object] = gathers) -> Any:
            gathers.append(arguments)
            now[0] += 100.0
            return gather(*arguments)

        monkeypatch.setattr(orders, "_gathered", slow)
        assert [key for part in orders.all_keys(ledger, search, order) for key in part] == whole
        # Where the parts that are looked at hold no match, there may be a second one.
        assert len(gathers) <= max(1, len(whole) // 14)
