"""`cobalt rejects`: input lines that were refused, and why."""

import click

_SHOWN = 100


@click.group()
def rejects() -> None:
    """List refused lines, or try them again with this version's parsers.

    \b
    Example:
      cobalt rejects list --source scan.json
      cobalt rejects retry
    """  # noqa: D301  # Click's mark for "do not wrap"


@rejects.command("list", epilog="Example: cobalt rejects list --json | head")
@click.option("--source", metavar="NAME", help="Only of this source.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The most lines to list.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="ID", help="Only those with a greater id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, the line itself in base64.")
def list_(source: str | None, limit: int, after: int, as_json: bool) -> None:
    """List refused lines with their source, byte position and reason, the oldest first."""
    from pathlib import Path

    import msgspec

    from cobalt_tasks.core import settings
    from cobalt_tasks.core.text import printable
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.ingest.store import rejects as storage

    with existing_ledger(settings.load()).reading() as connection:
        found = storage.listing(connection, source=source, after=after, limit=limit)
        if not found and source:
            found = storage.listing(connection, source=str(Path(source).absolute()), after=after, limit=limit)
    for each in found:
        if as_json:
            click.echo(msgspec.json.encode(each).decode())
        else:
            line = printable(each.line)[:_SHOWN].replace("\n", " ")
            where = f"{printable(each.source.encode())}:{each.position}"
            click.echo(f"{each.id} {where} {printable(each.reason.encode())}: {line}")


@rejects.command(epilog="Example: cobalt rejects retry --source stdin")
@click.option("--source", metavar="NAME", help="Only of this source.")
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
