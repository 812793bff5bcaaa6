"""`cobalt certificates`."""

import click

from cobalt_tasks.cli._query import QUERY, QueryCommand, print_next


@click.command(
    cls=QueryCommand,
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    short_help="List certificates by the time they expire.",
)
@click.argument("query", nargs=-1, type=QUERY)
@click.option("--expiring", metavar="TIME", help="Only those that expire within 30d, 2w or 12h and are in use.")
@click.option("--expired", is_flag=True, help="Only those that have expired and are in use.")
@click.option("--all", "replaced", is_flag=True, help="Also those that are replaced, or whose ports are closed.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Certificates at most.")
@click.option("--after", metavar="MARK", help="Go on behind a page: the mark that it ended with.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def certificates(
    query: tuple[str, ...],
    expiring: str | None,
    expired: bool,
    replaced: bool,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """List certificates by the time they expire, with the ports that show them.

    They come from probes of our own and from what Zeek, Suricata, masscan, zgrab2, nmap and others recorded. A query
    chooses among them, in the language of `cobalt search`. A certificate is replaced where a port shows a newer one of
    the same names.

    \b
    Example:
      cobalt certificates --expiring 30d
      cobalt certificates --expired
      cobalt certificates 'cert.name:*.example.com net:192.0.2.0/24' --json
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.search import find
    from cobalt_tasks.hosts.search.fields import Searchable
    from cobalt_tasks.views import certificates as views
    from cobalt_tasks.views.hosts import no_match_note

    settings = load()
    database = existing_ledger(settings)
    try:
        search = find.read(database, " ".join(query), Searchable.CERTIFICATES, settings.home)
        chosen = views.wanted(search, expiring=expiring, expired=expired, replaced=replaced or None)
        page = views.page(database, chosen, limit, after)
        note = "" if page["items"] else no_match_note(database, "certificates")
    finally:
        database.dispose()
    if as_json:
        from cobalt_tasks.views import documents

        documents.print_list(page["items"])
    else:
        views.print_page(page["items"], note)
    print_next(page["next"])
