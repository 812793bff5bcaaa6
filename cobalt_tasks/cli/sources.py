"""`cobalt sources`: where lines came from, and how far they were read."""

import click

from cobalt_tasks.cli._group import Group
from cobalt_tasks.cli._names import complete_sources
from cobalt_tasks.cli.journals import journals


@click.group(cls=Group, short_help="List sources with their counts, or have one read anew.")
def sources() -> None:
    """List sources with their ledgers, or forget one so that it is read anew.

    \b
    Example:
      cobalt sources list
      cobalt sources forget 3
      cobalt sources journals list
    """  # noqa: D301  # Click's mark for "do not wrap"


sources.add_command(journals)


@sources.command("list", epilog="Example: cobalt sources list --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List every source: read = accepted + duplicates + rejected + ignored."""
    import msgspec

    from cobalt_tasks.core import settings
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.ingest.store import sources as storage
    from cobalt_tasks.views import documents
    from cobalt_tasks.views.tables import Column, Output

    with existing_ledger(settings.load()).reading() as connection:
        found = storage.everything(connection)
    if as_json:
        hidden = ("device", "inode", "head", "head_length", "tail", "parser_state", "partial_line")
        rows = [
            {name: value for name, value in msgspec.structs.asdict(each).items() if name not in hidden}
            for each in found
        ]
        documents.print_list(rows)
        return
    names = ("id", "generation", "format", "read", "accepted", "duplicates", "rejected", "ignored", "position", "name")
    columns = [
        Column(
            {"generation": "Gen"}.get(name, name.capitalize()),
            cut=name in {"name", "format"},
            right=name not in {"name", "format"},
        )
        for name in names
    ]
    cells = [[getattr(each, name) for name in names] for each in found]
    Output().listing(columns, cells, "nothing was read yet: cobalt ingest FILE")


@sources.command(epilog="Example: cobalt sources forget scan.json")
@click.argument("source", shell_complete=complete_sources)
def forget(source: str) -> None:
    """Forget SOURCE (an id, or a name with all its generations): its checkpoint, records and rejects.

    What is known about hosts and ports stays. Reading it again starts at its first byte.
    """
    from pathlib import Path

    from cobalt_tasks.core import settings
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.core.text import printable
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.ingest.store import sources as storage

    database = existing_ledger(settings.load())
    with database.reading() as connection:
        named = {source, str(Path(source).absolute())}
        found = [each for each in storage.everything(connection) if each.name in named or str(each.id) == source]
    if not found:
        raise ConfigurationError(f"there is no source {source!r}: cobalt sources list")
    for each in found:
        storage.forget(database, each.id)
        click.echo(f"forgot {printable(each.name.encode())}, generation {each.generation}")
