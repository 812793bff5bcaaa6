"""`cobalt sources journals`: bytes from pipes whose reader was killed or could not read them."""

import click

from cobalt_tasks.cli._group import Group
from cobalt_tasks.cli._names import complete_formats


@click.group(cls=Group, short_help="List, retry or forget what pipes left behind.")
def journals() -> None:
    """List, retry or forget what is left of pipes: bytes that were journaled and not stored.

    \b
    Example:
      cobalt sources journals list
      cobalt sources journals retry 20260102T030405-0123456789ab --format masscan-json
      cobalt sources journals forget 20260102T030405-0123456789ab
    """  # noqa: D301  # Click's mark for "do not wrap"


@journals.command("list", epilog="Example: cobalt sources journals list --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List the journals that wait; those that are being written or read now are not among them."""
    from cobalt_tasks.core import settings
    from cobalt_tasks.ingest.streams import leftover
    from cobalt_tasks.views import documents
    from cobalt_tasks.views.tables import Column, Output
    from cobalt_tasks.views.text import iso

    found = leftover.find(settings.load().journal_folder)
    if as_json:
        documents.print_list(found)
        return
    columns = (
        Column("Journal", cut=False),
        Column("Bytes", cut=False, right=True),
        Column("Last byte"),
        Column("Format"),
        Column("Source"),
    )
    rows = [[each.journal, each.bytes, iso(each.since), each.format, each.source] for each in found]
    Output().listing(columns, rows, "No journal waits.")


@journals.command(epilog="Example: cobalt sources journals retry 20260102T030405-0123456789ab --format ss")
@click.argument("journal")
@click.option(
    "--format",
    "format_name",
    metavar="F",
    shell_complete=complete_formats,
    help="The format of its bytes, if it cannot be recognised.",
)
def retry(journal: str, format_name: str | None) -> int:
    """Read JOURNAL into the ledger, from where its reading stopped."""
    from cobalt_tasks.core import settings
    from cobalt_tasks.ingest import formats
    from cobalt_tasks.ingest.run import Options, run
    from cobalt_tasks.ingest.streams import leftover

    loaded = settings.load()
    if format_name:
        formats.named(format_name)
    leftover.named(loaded.journal_folder, journal)
    return run(loaded, Options(files=(), resume=True, only_journal=journal, format=format_name))


@journals.command(epilog="Example: cobalt sources journals forget 20260102T030405-0123456789ab")
@click.argument("journal")
def forget(journal: str) -> None:
    """Delete JOURNAL and the bytes in it that are not stored; what is stored stays."""
    from cobalt_tasks.core import settings
    from cobalt_tasks.ingest.streams import leftover

    gone = leftover.forget(settings.load().journal_folder, journal)
    click.echo(f"deleted the journal {gone.journal}, {gone.bytes:,} bytes")
