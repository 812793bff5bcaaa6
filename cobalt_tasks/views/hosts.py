"""Hosts for people and programs: a list, and one in full."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.errors import CobaltError, ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import connections as traffic
from cobalt_tasks.hosts import parts as host_parts
from cobalt_tasks.hosts import queries as host_queries
from cobalt_tasks.views import not_checked
from cobalt_tasks.views.page_marks import marked, unmarked

_CONNECTIONS_SHOWN = 50
_JUDGED_ROWS = 100
_NO_HOSTS = "No hosts yet: cobalt ingest brings them."
_NO_MATCH = "No host matches."


class UnknownHostError(CobaltError):
    """The ledger has no such host."""


def host_list(
    database: Database, limit: int, only: host_queries.Filter, order: host_queries.Order = host_queries.Order.LAST_SEEN
) -> list[dict[str, Any]]:
    """Return hosts: score, location, names, ports with their services.

    Args:
        database: the ledger.
        limit: rows at most.
        only: which hosts.
        order: which come first.

    """
    with database.reading() as connection:
        return host_queries.page(connection, limit, only=only, order=order)


def host(
    database: Database, address: str, settings: Settings, page: host_parts.Page = host_parts.WHOLE
) -> dict[str, Any]:
    """Return what is known about a host: its lists as far as the page goes, and what was not looked at.

    `own_network` is what networks.toml describes it with, None outside of its networks; `totals` has the length of each list;
    `next` the addresses at which the API goes on with those that are longer.

    Args:
        database: the ledger.
        address: the host's address in canonical form.
        settings: they decide which providers and rules there are.
        page: which rows of each list, and how much of their texts.

    Raises:
        UnknownHostError: nothing was ever seen of it.

    """
    # A short page is too little to judge what was not looked at.
    read = msgspec.structs.replace(page, limit=max(page.limit, _JUDGED_ROWS))
    with database.reading() as connection:
        known = _required(host_queries.one(connection, address), address)
        lists = {name: host_parts.part(connection, address, name, read) for name in host_parts.PARTS}
        totals = host_parts.totals(connection, address)
        recent = traffic.connections_of(connection, address, _CONNECTIONS_SHOWN)
    whole = {name: each.rows for name, each in lists.items()}
    missing = not_checked.of_host({**known, **whole}, settings)
    shown = {name: rows[: page.limit] for name, rows in whole.items()}
    following = {
        name: f"/api/hosts/{address}/{name}?after={marked(lists[name].keys[len(rows) - 1])}"
        for name, rows in shown.items()
        if rows and len(rows) < totals[name]
    }
    return {
        **known,
        **shown,
        "own_network": _own_network(address, settings),
        "connections": recent,
        "not_checked": missing,
        "totals": totals,
        "next": following,
    }


def part(database: Database, address: str, name: str, page: host_parts.Page, mark: str | None = None) -> dict[str, Any]:
    """Return one list of a host: `items`, their `total` number, and the `next` mark (None at the end).

    Args:
        database: the ledger.
        address: the host's address in canonical form.
        name: one of host_parts.PARTS.
        page: how many rows, and how much of their texts.
        mark: the `next` of the page before; None for the first page.

    Raises:
        UnknownHostError: nothing was ever seen of it.
        PageMarkError: the mark is none.

    """
    after = None if mark is None else unmarked(mark, host_parts.PARTS[name].key)
    with database.reading() as connection:
        _required(host_queries.one(connection, address), address)
        found = host_parts.part(connection, address, name, msgspec.structs.replace(page, after=after))
        total = host_parts.totals(connection, address)[name]
    return {
        "items": found.rows,
        "total": total,
        "next": marked(found.keys[-1]) if len(found.rows) == page.limit else None,
    }


def empty_note(database: Database, only: host_queries.Filter, order: host_queries.Order) -> str:
    """Return why a list of hosts has none, in one sentence.

    Args:
        database: the ledger.
        only: the filter of the list.
        order: its order; by score, hosts with score 0 are left out.

    """
    with database.reading() as connection:
        if not host_queries.has_hosts(connection):
            return _NO_HOSTS
        if order is host_queries.Order.SCORE:
            if not host_queries.has_scores(connection):
                return "No host is scored yet: workers do it (cobalt up), or cobalt score --recompute."
            if host_queries.page(connection, 1, only=only):
                return "No rule found anything on the hosts that match."
    return _NO_MATCH


def no_match_note(database: Database, what: str = "hosts", query: str = "") -> str:
    """Return why a query of a ledger finds nothing, in one sentence.

    Args:
        database: the ledger.
        what: what was looked for, in the plural; whatever it is, it belongs to hosts.
        query: the query, where the user wrote it in other words.

    """
    with database.reading() as connection:
        if not host_queries.has_hosts(connection):
            return _NO_HOSTS
    return f"No {what.removesuffix('s')} matches{f' {query}' if query else '.'}"


def with_sites(hosts: Sequence[Mapping[str, Any]], home: Path) -> list[dict[str, Any]]:
    """Return `hosts` with the `site` of each, None outside of the own networks; home: the folder of networks.toml."""
    try:
        networks = own_networks.load(home)
    except ConfigurationError:
        # The page of each host names it, among what was not checked.
        return [{**host, "site": None} for host in hosts]
    found = [networks.of(host["address"]) for host in hosts]
    return [{**host, "site": own.name if own else None} for host, own in zip(hosts, found, strict=True)]


def _own_network(address: str, settings: Settings) -> own_networks.Description | None:
    try:
        return own_networks.load(settings.home).of(address)
    except ConfigurationError:
        # It is among what was not checked: the rules read that file too.
        return None


def _required(known: dict[str, Any] | None, address: str) -> dict[str, Any]:
    if known is None:
        raise UnknownHostError(f"the ledger knows no host {address}")
    return known
