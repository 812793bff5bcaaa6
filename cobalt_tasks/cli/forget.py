"""`cobalt forget`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cobalt_tasks.cli._names import complete_sources
from cobalt_tasks.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections import Counter

    from cobalt_tasks.core.settings import Settings
    from cobalt_tasks.db.engine import Database


@click.command(short_help="Delete everything about a host, a network or a source.")
@click.argument("host", metavar="[HOST|NETWORK]", required=False)
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=complete_sources,
    help="Instead of hosts: the records, rejects and journals of this source.",
)
def forget(host: str | None, source: str | None) -> None:
    """Delete everything about a host or network, or everything that a source brought, and print what went.

    Of hosts, facts, jobs, connections and rejects that name them are deleted; they come back if they are seen again. Of a
    source, its counts and how far it was read stay. `cobalt sources forget` lets a source be read again.

    \b
    Example:
      cobalt forget 192.0.2.10
      cobalt forget 192.0.2.0/24
      cobalt forget --source scan.json
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings
    from cobalt_tasks.core.addresses import canonical, read_network
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts import forget as forgetting

    if (host is None) == (source is None):
        raise ConfigurationError("name a host or network, or --source NAME")
    network = None if host is None else read_network("HOST", canonical(host) or host)
    loaded = settings.load()
    database = existing_ledger(loaded)
    try:
        if network is not None:
            gone = forgetting.forget_network(database, network)
        else:
            gone = _forget_source(database, loaded, str(source))
    finally:
        database.dispose()
    for table, rows in sorted(gone.items()):
        click.echo(f"{table}: {rows:,} deleted")
    if not gone:
        click.echo("Nothing was known.")


def _forget_source(database: "Database", loaded: "Settings", name: str) -> "Counter[str]":
    from collections import Counter

    from cobalt_tasks.hosts import forget as forgetting
    from cobalt_tasks.ingest.streams import leftover

    names = {name, str(Path(name).absolute())}
    ids = [each for one in sorted(names) for each in forgetting.sources_named(database, one)]
    waiting = [each for each in leftover.find(loaded.journal_folder) if each.source in names]
    if not ids and not waiting:
        raise ConfigurationError(f"there is no source {name!r}: cobalt sources list")
    gone: Counter[str] = Counter()
    for each in ids:
        gone += forgetting.forget_source(database, each)
    for journal in waiting:
        leftover.forget(loaded.journal_folder, journal.journal)
        gone["journals"] += 1
    return gone
