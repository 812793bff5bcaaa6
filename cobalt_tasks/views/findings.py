"""Findings for people and programs: by rule, and the hosts that have them."""

from pathlib import Path
from typing import Any

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import finding_lists
from cobalt_tasks.hosts.finding_lists import RuleCounts
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.language import quoted
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.views import search as searches


def by_rule(database: Database, query: str, home: Path) -> RuleCounts:
    """Return on how many of the hosts that match each rule found something.

    Args:
        database: the ledger.
        query: which hosts; empty: all.
        home: the folder of networks.toml.

    Raises:
        SearchError: the query cannot be used.
        SearchTooLongError: it took too long.

    """
    search = find.read(database, query, Searchable.HOSTS, home)
    with find.searching(database) as connection:
        return finding_lists.by_rule(connection, search)


def page(  # noqa: PLR0913  # which hosts
    database: Database,
    limit: int,
    home: Path,
    *,
    query: str = "",
    rule: str | None = None,
    mark: str | None = None,
    order: HostOrder = HostOrder.SCORE,
) -> dict[str, Any]:
    """Return a page of hosts with their `findings`: `items`, and the `next` mark, None at the end.

    Args:
        database: the ledger.
        limit: hosts at most.
        home: the folder of networks.toml.
        query: which hosts; empty: all.
        rule: only hosts that this rule matched on, and only its findings; None: any rule.
        mark: the `next` of the page before; None for the first page.
        order: of the hosts.

    Raises:
        SearchError: the query cannot be used; the message names the column.
        PageMarkError: the mark is none.
        SearchTooLongError: it took too long.

    """
    # The query alone first: an error names the column in what the user wrote.
    find.read(database, query, Searchable.HOSTS, home)
    wanted = f"finding:{quoted(rule)}" if rule is not None else "score:>0"
    search = find.read(database, f"({query}) {wanted}" if query.strip() else wanted, Searchable.HOSTS, home)
    found = searches.page(database, search, limit, mark, order=order)
    addresses = [host["address"] for host in found["items"]]
    with find.searching(database) as connection:
        known = finding_lists.of_hosts(connection, addresses, rule)
    return {**found, "items": [{**host, "findings": known.get(host["address"], [])} for host in found["items"]]}
