"""`cobalt changes`."""

import click

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.core.errors import ConfigurationError


@click.command()
@click.option(
    "--since",
    default="24h",
    show_default=True,
    help="Recorded since: 24h, 7d, a date in UTC such as 2026-11-20, or last: what the last input changed.",
)
@click.option("--host", metavar="IP", help="Only what changed on this host.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text, the newest first.")
def changes(since: str, host: str | None, as_json: bool) -> None:
    """Show what changed: new hosts, ports opened and closed, services, versions, certificates, names.

    \b
    Example:
      cobalt changes --since 7d
      cobalt changes --since last
      cobalt changes --host 192.0.2.10 --since 2026-11-20
    """  # noqa: D301  # Click's mark for "do not wrap"
    wanted = None
    if host is not None and (wanted := canonical(host)) is None:
        raise ConfigurationError(f"{host!r} is no IP address")
    import time

    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.views import changes as views

    database = existing_ledger(load())
    try:
        found = views.since(database, since, time.time(), wanted)
    finally:
        database.dispose()
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    if not found:
        click.echo(f"nothing changed (since {since})")
    for line in views.as_text(found):
        click.echo(line)
    if len(found) == views.MOST:
        click.echo(f"only the newest {views.MOST:,} changes are shown: choose a later --since", err=True)
