"""`cobalt search`."""

from typing import TYPE_CHECKING, Any

import click

from cobalt_tasks.cli._names import complete_facets
from cobalt_tasks.cli._query import QUERY, QueryCommand, print_next

if TYPE_CHECKING:
    from cobalt_tasks.hosts.search.facets import Count, Facets

_TARGETS = ("hosts", "ports", "connections", "certificates")


@click.command(cls=QueryCommand, context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("query", nargs=-1, type=QUERY)
@click.option("--in", "target", type=click.Choice(_TARGETS), default="hosts", show_default=True, help="What to find.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Rows at most.")
@click.option("--order", type=click.Choice(("seen", "score")), default="seen", show_default=True, help="Of hosts.")
@click.option("--after", metavar="MARK", help="Go on behind a page: the mark that it ended with.")
@click.option("--count", "only_count", is_flag=True, help="Only how many match; exact up to 50,000.")
@click.option(
    "--facets",
    metavar="FIELDS",
    shell_complete=complete_facets,
    help="Count by the values of fields, such as country,port,product.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; with --count and --facets, one object.")
def search(
    query: tuple[str, ...],
    target: str,
    limit: int,
    order: str,
    after: str | None,
    only_count: bool,
    facets: str | None,
    as_json: bool,
) -> None:
    """Find hosts, ports, connections or certificates.

    A query is a list of terms, all of which must match: FIELD:VALUE, or words. A minus negates a term, OR and
    parentheses join terms. docs/search.md lists the fields; put the query into single quotes for the shell.

    \b
    Example:
      cobalt search 'port:22 product:openssh version:<9 country:DE'
      cobalt search --in ports 'service:https -port:443'
      cobalt search --in connections 'dst:192.0.2.0/24 seen:<1d' --json
      cobalt search --in certificates 'cert.expires:<30d'
      cobalt search 'seen:<7d' --facets country,port,product
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.search import find
    from cobalt_tasks.hosts.search.fields import Searchable
    from cobalt_tasks.hosts.search.orders import HostOrder
    from cobalt_tasks.views import hosts
    from cobalt_tasks.views import search as views

    settings = load()
    database = existing_ledger(settings)
    try:
        asked = find.read(database, " ".join(query), Searchable(target), settings.home)
        if only_count:
            _print_count(views.count(database, asked), as_json=as_json)
        elif facets is not None:
            _print_facets(views.facets(database, asked, facets.split(",")), as_json=as_json)
        else:
            page = views.page(
                database, asked, limit, after, order=HostOrder.SCORE if order == "score" else HostOrder.LAST_SEEN
            )
            note = "" if page["items"] else hosts.no_match_note(database, target)
            if target == "hosts":
                page["items"] = hosts.with_sites(page["items"], settings.home)
            _print_page(target, page, note, as_json=as_json)
    finally:
        database.dispose()


def _print_json(document: Any) -> None:
    from cobalt_tasks.views import documents

    documents.print_object(document)


def _print_count(found: "Count", *, as_json: bool) -> None:
    if as_json:
        _print_json(found)
    else:
        click.echo(f"{'' if found.exact else 'at least '}{found.count:,}")


def _print_facets(found: "Facets", *, as_json: bool) -> None:
    if as_json:
        _print_json(found)
        return
    from cobalt_tasks.views import search_tables

    search_tables.print_facets(found)


def _print_page(target: str, page: dict[str, Any], note: str, *, as_json: bool) -> None:
    from cobalt_tasks.views import documents, host_tables, search_tables

    if as_json:
        documents.print_list(page["items"])
    elif target == "hosts":
        host_tables.print_hosts(page["items"], note)
    else:
        search_tables.print_rows(target, page["items"], note)
    print_next(page["next"])
