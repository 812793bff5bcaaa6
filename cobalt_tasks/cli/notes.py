"""`cobalt notes`."""

import click

from cobalt_tasks.cli._group import Group


@click.group(cls=Group, short_help="List and end what was accepted with cobalt accept.")
def notes() -> None:
    """Findings and changes that were accepted with `cobalt accept`.

    \b
    Example:
      cobalt notes list
      cobalt notes remove 3
    """  # noqa: D301  # Click's mark for "do not wrap"


@notes.command("list")
@click.option("--host", metavar="IP", help="Only those about this host.")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_notes(host: str | None, everything: bool, as_json: bool) -> None:
    """List what is accepted: until when, by whom, and why.

    \b
    Example:
      cobalt notes list --all --json
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.addresses import canonical
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.views import documents
    from cobalt_tasks.views import notes as views
    from cobalt_tasks.views.tables import Column, Output
    from cobalt_tasks.views.text import day

    address = None
    if host is not None and (address := canonical(host)) is None:
        raise ConfigurationError(f"{host!r} is no IP address")
    database = existing_ledger(load())
    try:
        found = [views.as_document(each) for each in views.listed(database, address, everything=everything)]
        words = [views.described(each) for each in views.listed(database, address, everything=everything)]
    finally:
        database.dispose()
    if as_json:
        documents.print_list(found)
        return
    rows = []
    for each, what in zip(found, words, strict=True):
        end = each["expires_at"] if each["ended_at"] is None else each["ended_at"]
        rows.append([str(each["id"]), what, "yes" if each["holds"] else "no", day(end), each["author"], each["reason"]])
    columns = (
        Column("Id", cut=False, right=True),
        Column("What", cut=False),
        Column("Holds"),
        Column("Until", cut=False),
        Column("By"),
        Column("Reason"),
    )
    Output().listing(columns, rows, "nothing is accepted: cobalt accept --help")


@notes.command()
@click.argument("number", type=click.IntRange(1))
def remove(number: int) -> None:
    """End a note: what it accepted counts again.

    \b
    Example:
      cobalt notes remove 3
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.views import notes as views

    settings = load()
    database = existing_ledger(settings)
    try:
        note = views.remove(database, settings.home, number)
    finally:
        database.dispose()
    click.echo(f"note {number} is over: {views.described(note)}")
