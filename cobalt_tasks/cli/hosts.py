"""`cobalt hosts`."""

from typing import Any

import click

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.core.errors import ConfigurationError


@click.command()
@click.argument("address", metavar="[IP]", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Hosts in the list.")
@click.option("--country", help="Only hosts in this country: two letters, such as NL.")
@click.option("--port", type=click.IntRange(0, 65535), help="Only hosts with this port.")
@click.option("--service", help="Only hosts with this service, such as ssh.")
@click.option(
    "--order",
    type=click.Choice(["last_seen", "score"]),
    default="last_seen",
    show_default=True,
    help="Which come first; by score, hosts with score 0 are left out.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def hosts(  # Click passes them by name
    address: str | None,
    limit: int,
    country: str | None,
    port: int | None,
    service: str | None,
    order: str,
    as_json: bool,
) -> None:
    """List hosts, or show all that is known about one, with the findings behind its score.

    \b
    Example:
      cobalt hosts --country NL --service ssh
      cobalt hosts --order score --limit 10
      cobalt hosts 192.0.2.10
      cobalt hosts 192.0.2.10 --json | jq '.certificates[].names'
    """  # noqa: D301  # Click's mark for "do not wrap"
    wanted = None
    if address is not None and (wanted := canonical(address)) is None:
        raise ConfigurationError(f"{address!r} is no IP address")
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.queries import Filter, Order
    from cobalt_tasks.views import hosts as views

    only = Filter(country=country.upper() if country else None, port=port, service=service)
    settings = load()
    database = existing_ledger(settings)
    note = ""
    try:
        if wanted:
            shown: dict[str, Any] | list[dict[str, Any]] = views.host(database, wanted, settings)
        else:
            shown = views.host_list(database, limit, only, Order(order))
            note = "" if shown else views.empty_note(database, only, Order(order))
    finally:
        database.dispose()
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return
    from cobalt_tasks.views import terminal

    if isinstance(shown, dict):
        terminal.print_host(shown)
    else:
        terminal.print_hosts(shown, note)
