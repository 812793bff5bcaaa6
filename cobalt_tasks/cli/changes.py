"""`cobalt changes`."""

from typing import TYPE_CHECKING, Any

import click

from cobalt_tasks.cli._names import complete_change_kinds
from cobalt_tasks.cli._query import QUERY, QueryCommand

if TYPE_CHECKING:
    from cobalt_tasks.core.settings import Settings
    from cobalt_tasks.db.engine import Database
    from cobalt_tasks.views.changes import ChangeFilter


@click.command(
    cls=QueryCommand,
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    short_help="Show what changed: hosts, ports, services, certificates.",
)
@click.argument("query", nargs=-1, type=QUERY)
@click.option(
    "--since",
    default="24h",
    show_default=True,
    help="Recorded since: 24h, 7d, a date in UTC such as 2026-11-20, or last: since you used it last.",
)
@click.option("--host", metavar="IP", help="Only what changed on this host.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    shell_complete=complete_change_kinds,
    help='Only one kind, such as "port opened".',
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def changes(query: tuple[str, ...], since: str, host: str | None, kinds: tuple[str, ...], as_json: bool) -> None:
    """Show what changed: new hosts, ports opened and closed, services, versions, certificates, names, scores.

    A QUERY is asked of the port that changed, or else of the host; docs/search.md has its fields. `--since last` shows
    what is new since the last time, and the first time what the last input changed; it is kept for each user.

    \b
    Example:
      cobalt changes --since 7d
      cobalt changes --since last
      cobalt changes --since 7d 'net:192.0.2.0/24 port:22'
      cobalt changes --host 192.0.2.10 --since 2026-11-20 --kind "port opened"
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.addresses import canonical
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.views.changes import ChangeFilter, checked_kinds

    address = None
    if host is not None and (address := canonical(host)) is None:
        raise ConfigurationError(f"{host!r} is no IP address")
    wanted = ChangeFilter(address=address, kinds=checked_kinds(kinds), query=" ".join(query))
    settings = load()
    database = existing_ledger(settings)
    try:
        _show(database, settings, wanted, since, as_json=as_json)
    finally:
        database.dispose()


def _show(database: "Database", settings: "Settings", wanted: "ChangeFilter", since: str, *, as_json: bool) -> None:
    import time

    import msgspec

    from cobalt_tasks.views import changes as views
    from cobalt_tasks.views import documents, last_look

    seen = last_look.read(settings.home) if since == views.LAST else None
    if seen is not None:
        limited = msgspec.structs.replace(wanted, above=seen)
    elif since == views.LAST:
        limited = msgspec.structs.replace(wanted, since=views.first_of_last_input(database))
    else:
        limited = msgspec.structs.replace(wanted, since=views.moment(since, time.time()))
    found = views.found(database, limited, settings.home)
    if as_json:
        documents.print_list(found)
    elif found:
        for line in views.as_text(found, views.names(database, found)):
            click.echo(line)
    else:
        click.echo("nothing changed since you looked last" if seen is not None else f"nothing changed (since {since})")
    if len(found) == views.MOST:
        click.echo(f"only the newest {views.MOST:,} changes are shown: choose a later --since", err=True)
    # What a filter hid was not seen.
    if since == views.LAST and found and not (wanted.address or wanted.kinds or wanted.query):
        _keep(settings, found)


def _keep(settings: "Settings", found: list[dict[str, Any]]) -> None:
    from cobalt_tasks.views import last_look

    try:
        last_look.write(settings.home, found[0]["id"])
    except OSError as error:
        click.echo(f"cobalt: the next --since last shows these again: {error}", err=True)
