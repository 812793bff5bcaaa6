"""`cobalt hosts`."""

import shlex
from typing import TYPE_CHECKING

import click

from cobalt_tasks.cli._query import QUERY, QueryCommand, print_next

if TYPE_CHECKING:
    from cobalt_tasks.core.settings import Settings
    from cobalt_tasks.db.engine import Database
    from cobalt_tasks.hosts.queries import Filter, Order

_ORDERS = ("last_seen", "score")


@click.command(
    cls=QueryCommand,
    short_help="List or search hosts, or show all that is known about one.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("query", metavar="[IP|NETWORK|NAME|QUERY]", nargs=-1, type=QUERY)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Hosts in the list.")
@click.option("--country", help="Only hosts in this country: two letters, such as NL.")
@click.option("--port", type=click.IntRange(0, 65535), help="Only hosts with this port.")
@click.option("--service", help="Only hosts with this service, such as ssh.")
@click.option(
    "--order",
    type=click.Choice(_ORDERS),
    default="last_seen",
    show_default=True,
    help="Which come first; by score, hosts with score 0 are left out.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; of one host, one object.")
def hosts(  # Click passes them by name
    query: tuple[str, ...],
    limit: int,
    country: str | None,
    port: int | None,
    service: str | None,
    order: str,
    as_json: bool,
) -> None:
    """List hosts, or show all that is known about one, with the findings behind its score.

    An address shows that host; a network lists its hosts, a name the hosts that have it; all else is a query, as
    `cobalt search` takes it.

    \b
    Example:
      cobalt hosts --country NL --service ssh
      cobalt hosts --order score --limit 10
      cobalt hosts 192.0.2.10
      cobalt hosts 192.0.2.0/24
      cobalt hosts www.example.com
      cobalt hosts 'port:22 product:openssh'
      cobalt hosts 192.0.2.10 --json | jq '.certificates[].names'
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.addresses import canonical
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.queries import Filter, Order

    words = " ".join(query).strip()
    only = Filter(country=country.upper() if country else None, port=port, service=service)
    settings = load()
    database = existing_ledger(settings)
    try:
        if (address := canonical(words)) is not None:
            _show_one(database, settings, address, as_json=as_json)
        elif words:
            _search(database, settings, _with_filters(words, only), limit, order, as_json=as_json)
        else:
            _list(database, settings, limit, only, Order(order), as_json=as_json)
    finally:
        database.dispose()


def _show_one(database: "Database", settings: "Settings", address: str, *, as_json: bool) -> None:
    from cobalt_tasks.views import documents, host_tables
    from cobalt_tasks.views import hosts as views

    shown = views.host(database, address, settings)
    if as_json:
        documents.print_object(shown)
    else:
        host_tables.print_host(shown)


def _list(  # what a user chooses
    database: "Database", settings: "Settings", limit: int, only: "Filter", order: "Order", *, as_json: bool
) -> None:
    from cobalt_tasks.views import documents, host_tables
    from cobalt_tasks.views import hosts as views

    found = views.with_sites(views.host_list(database, limit, only, order), settings.home)
    if as_json:
        documents.print_list(found)
    else:
        host_tables.print_hosts(found, "" if found else views.empty_note(database, only, order))


def _search(database: "Database", settings: "Settings", query: str, limit: int, order: str, *, as_json: bool) -> None:
    from cobalt_tasks.hosts.search import find
    from cobalt_tasks.hosts.search.fields import Searchable
    from cobalt_tasks.hosts.search.orders import HostOrder
    from cobalt_tasks.views import documents, host_tables
    from cobalt_tasks.views import hosts as hosts_views
    from cobalt_tasks.views import search as views

    asked = find.read(database, query, Searchable.HOSTS, settings.home)
    page = views.page(database, asked, limit, None, order=HostOrder(order))
    found = hosts_views.with_sites(page["items"], settings.home)
    if as_json:
        documents.print_list(found)
    else:
        host_tables.print_hosts(found, "" if found else hosts_views.no_match_note(database, query=query))
    option = " --order score" if order == HostOrder.SCORE else ""
    print_next(page["next"], f"cobalt search {shlex.quote(query)}{option}")


def _with_filters(words: str, only: "Filter") -> str:
    """Return a query for the hosts that `words` name, a network, a name or a query, narrowed by the options `only`."""
    from cobalt_tasks.core.text import hostname
    from cobalt_tasks.hosts.search.language import quoted

    if _is_network(words):
        words = f"net:{words}"
    elif hostname(words, wildcard=True):
        words = f"name:{words}"
    texts = [f"{name}:{quoted(text)}" for name, text in (("country", only.country), ("service", only.service)) if text]
    terms = texts if only.port is None else [*texts, f"port:{only.port}"]
    return " ".join([f"({words})", *terms]) if terms else words


def _is_network(words: str) -> bool:
    from ipaddress import ip_network

    try:
        ip_network(words, strict=False)
    except ValueError:
        return False
    return True
