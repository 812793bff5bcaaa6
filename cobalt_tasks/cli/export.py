"""`cobalt export`."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkstemp
from typing import IO

import click

from cobalt_tasks.core.errors import ConfigurationError

# Written out, so that --help needs no database library; a test holds them against the tables and formats there are.
_TABLES = ("hosts", "ports", "connections", "jobs", "certificates", "hostnames")
_FORMATS = ("csv", "ndjson")


@click.command(short_help="Write a table, or the rows that match a query, to a file.")
@click.option("--table", type=click.Choice(_TABLES), required=True, help="What to write.")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="ndjson", show_default=True, help="How to write it."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else standard output.")
@click.option("--query", help="Only rows that match, as `cobalt search` finds them.")
def export(table: str, form: str, output: Path | None, query: str | None) -> None:
    """Write a whole table, or the rows that match a query, streamed: memory stays the same however many rows there are.

    Times are ISO 8601 in UTC. NDJSON holds text as it was seen, numbers as numbers and lists as lists. CSV is safe to
    open in a spreadsheet: text that a spreadsheet would run as a formula gets an apostrophe in front, control
    characters become \\x1b forms, lists are joined by blanks.

    \b
    Example:
      cobalt export --table ports --format csv --output ports.csv
      cobalt export --table hosts --query 'port:22 country:DE' --format csv
      cobalt export --table hosts | jq -r .country_code | sort | uniq -c
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.search import find
    from cobalt_tasks.hosts.search.fields import Searchable
    from cobalt_tasks.views.export import export as write

    if query is not None and table not in set(Searchable):
        raise ConfigurationError(f"--query: {table} cannot be searched; {', '.join(Searchable)} can")
    settings = load()
    database = existing_ledger(settings)
    try:
        search = None if query is None else find.read(database, query, Searchable(table), settings.home)
        with _opened(output) as target:
            written = write(database, table, form, target, search)
            target.flush()
    finally:
        database.dispose()
    if output:
        click.echo(f"{written} rows written to {output}", err=True)


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    """Open what rows are written to: a file gets its name when it is whole, and is readable by this user alone."""
    if output is None:
        # What a spreadsheet and JSON expect, independent of this terminal's locale.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
        yield sys.stdout
        return
    try:
        # A device or a named pipe cannot be replaced.
        is_kept = output.exists() and not output.is_file()
        part = None if is_kept else _new_file(output.parent)
        try:
            with (part or output).open("w", encoding="utf-8", errors="backslashreplace", newline="") as target:
                yield target
            if part:
                part.replace(output)
        except BaseException:
            if part:
                part.unlink(missing_ok=True)
            raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigurationError(f"--output: {output} cannot be written: {error.strerror}") from error


def _new_file(folder: Path) -> Path:
    descriptor, name = mkstemp(dir=folder, prefix=".cobalt-export-")
    os.close(descriptor)
    return Path(name)
