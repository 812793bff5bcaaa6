"""`cobalt export`."""

import contextlib
import io
import sys
from pathlib import Path
from typing import IO

import click

from cobalt_tasks.errors import ConfigurationError

# Written out, so that --help needs no database library; a test holds them against the tables and formats there are.
_TABLES = ("hosts", "ports", "connections", "jobs", "certificates", "hostnames")
_FORMATS = ("csv", "ndjson")


@click.command()
@click.option("--table", type=click.Choice(_TABLES), required=True, help="What to write.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="ndjson", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else standard output.")
def export(table: str, form: str, output: Path | None) -> None:
    """Write a whole table, streamed: memory stays the same however many rows there are.

    Times are ISO 8601 in UTC. NDJSON holds text as it was seen, numbers as numbers and lists as lists. CSV is safe to
    open in a spreadsheet: text that a spreadsheet would run as a formula gets an apostrophe in front, control
    characters become \\x1b forms, lists are joined by blanks.

    \b
    Example:
      cobalt export --table ports --format csv --output ports.csv
      cobalt export --table hosts | jq -r .country_code | sort | uniq -c
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.settings import load
    from cobalt_tasks.storage.schema import open_ledger
    from cobalt_tasks.views.export import export as write

    database = open_ledger(load())
    try:
        with _opened(output) as target:
            written = write(database, table, form, target)
            target.flush()
    finally:
        database.dispose()
    if output:
        click.echo(f"{written} rows written to {output}", err=True)


def _opened(output: Path | None) -> contextlib.AbstractContextManager[IO[str]]:
    if output is None:
        # What a spreadsheet and JSON expect, whatever this terminal's locale says.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
        return contextlib.nullcontext(sys.stdout)
    try:
        return output.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise ConfigurationError(f"--output: {output} cannot be written: {error.strerror}") from error
