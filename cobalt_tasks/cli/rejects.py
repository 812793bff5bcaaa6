"""`cobalt rejects`: input lines that were refused, and why."""

import click

from cobalt_tasks.cli._group import Group
from cobalt_tasks.cli._names import complete_sources

_SHOWN = 100


@click.group(cls=Group, short_help="List refused lines, or read them again.")
def rejects() -> None:
    """List refused lines, or try them again with this version's parsers.

    \b
    Example:
      cobalt rejects list --source scan.json
      cobalt rejects retry
    """  # noqa: D301  # Click's mark for "do not wrap"


@rejects.command("list", epilog="Example: cobalt rejects list --json | head")
@click.option("--source", metavar="NAME", shell_complete=complete_sources, help="Only of this source.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The most lines to list.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="ID", help="Only those with a greater id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the refused line in base64.")
def list_(source: str | None, limit: int, after: int, as_json: bool) -> None:
    """List refused lines with their source, byte position and reason, the oldest first."""
    from pathlib import Path

    from cobalt_tasks.core import settings
    from cobalt_tasks.core.text import printable
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.ingest.store import rejects as storage
    from cobalt_tasks.views import documents
    from cobalt_tasks.views.tables import Column, Output

    with existing_ledger(settings.load()).reading() as connection:
        found = storage.listing(connection, source=source, after=after, limit=limit)
        if not found and source:
            found = storage.listing(connection, source=str(Path(source).absolute()), after=after, limit=limit)
    if as_json:
        documents.print_list(found)
        return
    columns = (
        Column("Id", cut=False, right=True),
        Column("Source"),
        Column("Position", cut=False, right=True),
        Column("Reason"),
        Column("Line"),
    )
    rows = [(str(e.id), e.source, e.position, e.reason, printable(e.line)[:_SHOWN]) for e in found]
    Output().listing(columns, rows, "no line was refused")


@rejects.command(epilog="Example: cobalt rejects retry --source stdin")
@click.option("--source", metavar="NAME", shell_complete=complete_sources, help="Only of this source.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port that was scanned, for lines without one (zmap).")
def retry(source: str | None, port: int | None) -> None:
    """Read refused lines again: those that this version understands become records of their source.

    With --port, addresses that were refused because their scan names no port are taken.
    Lines of which only the first 4 KiB were kept cannot be read again.
    """
    from pathlib import Path

    from cobalt_tasks.core import settings
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.ingest.retry_rejects import retry_rejects
    from cobalt_tasks.ingest.store import rejects as storage

    loaded = settings.load()
    database = existing_ledger(loaded)
    with database.reading() as connection:
        if source and not storage.listing(connection, source=source, limit=1):
            source = str(Path(source).absolute())
    tried, taken = retry_rejects(database, loaded, source, port)
    click.echo(f"{tried} tried, {taken} accepted now")
