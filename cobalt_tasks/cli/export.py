"""`cobalt export`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cobalt_tasks.cli import _output
from cobalt_tasks.cli._query import QUERY, QueryCommand
from cobalt_tasks.core.errors import ConfigurationError

if TYPE_CHECKING:
    from cobalt_tasks.hosts.exports import TableRows
    from cobalt_tasks.views.exports.registry import ExportFormat

# Written out, so that --help needs no database library; a test holds them against the tables and formats there are.
_TABLES = (
    *("hosts", "ports", "connections", "jobs", "certificates", "hostnames", "changes", "findings"),
    *("sources", "rejects"),
)
_FORMATS = (
    *("csv", "ndjson", "xlsx", "parquet", "geojson", "stix", "ecs", "zgrab2", "nmap-targets"),
    "pem",
)


@click.command(
    cls=QueryCommand,
    short_help="Write hosts or other tables as CSV, Parquet, GeoJSON and more.",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("words", metavar="[QUERY]...", nargs=-1, type=QUERY)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="How to write it. Without it the ending of --output decides; without both it is ndjson.",
)
@click.option(
    "--table",
    type=click.Choice(_TABLES),
    help="What to write. Without it what the format is for, which mostly is hosts.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else standard output.")
@click.option("--columns", metavar="NAMES", help="Only these columns of csv, ndjson, xlsx, parquet: address,score.")
@click.option("--separator", metavar="CHARACTER", help="Between the cells of csv. Default: a comma.")
@click.option("--query", help="The same as QUERY.")
def export(
    words: tuple[str, ...],
    form: str | None,
    table: str | None,
    output: Path | None,
    columns: str | None,
    separator: str | None,
    query: str | None,
) -> None:
    """Write hosts, or another table, for other programs: all rows, or those that match a QUERY.

    Rows are read and written in pages: memory stays the same however many there are, and no transaction is held. Times
    are in UTC. The text of csv and xlsx runs as a formula in no spreadsheet, whatever separator that is set to.
    docs/export.md describes each format and the programs that read it; docs/search.md the language of QUERY. A file gets
    its name when it is whole.

    \b
    Example:
      cobalt export --format csv --output hosts.csv
      cobalt export 'port:22 country:DE' --format xlsx --output ssh.xlsx
      cobalt export --table connections 'seen:<1d' --output today.parquet
      cobalt export 'seen:<7d' --format geojson --output map.geojson
      cobalt export 'port:22' --format nmap-targets | nmap -p 22 -iL -
      cobalt export --table certificates --format pem --output certificates.pem
      cobalt export --columns address,country_code | jq -r .country_code | sort | uniq -c
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.hosts.exports import read_query, stream
    from cobalt_tasks.views.exports.options import ExportOptions
    from cobalt_tasks.views.exports.registry import FORMATS

    asked_for = " ".join((*words, query)) if query else " ".join(words)
    chosen = FORMATS[form or _by_ending(output)]
    of = table or chosen.tables[0]
    chosen.suits(of)
    _check(chosen, output, columns, separator)
    settings = load()
    database = existing_ledger(settings)
    database.cache_little()
    try:
        rows = stream(database, of, read_query(database, of, asked_for, settings.home))
        if columns is not None:
            rows = rows.only([name.strip() for name in columns.split(",")])
        options = ExportOptions(separator=separator or ",", home=settings.home)
        _output.write(output, _followed(rows, chosen.chunks(rows, options)))
    finally:
        database.dispose()
    if output:
        click.echo(f"{rows.count:,} rows written to {output}", err=True)


def _by_ending(output: Path | None) -> str:
    from cobalt_tasks.views.exports.registry import FORMATS

    # A device or a named pipe has no ending.
    if output is None or (output.exists() and not output.is_file()):
        return "ndjson"
    ending = [form for form, each in FORMATS.items() if output.name.lower().endswith(each.extension)]
    if not ending:
        known = ", ".join(f"{each.extension} ({form})" for form, each in FORMATS.items())
        raise ConfigurationError(f"--output: {output} has the ending of no format: {known}; or name one with --format")
    # The longest: .ecs.ndjson ends in .ndjson too.
    return max(ending, key=lambda form: len(FORMATS[form].extension))


def _check(chosen: "ExportFormat", output: Path | None, columns: str | None, separator: str | None) -> None:
    """Refuse options that do not go together; each is described in the help."""
    import sys

    if chosen.binary and output is None and sys.stdout.isatty():
        raise ConfigurationError(f"{chosen.name} is no text: name a file with --output, or redirect the output")
    if columns is not None and not chosen.is_tabular:
        raise ConfigurationError(f"--columns: {chosen.name} has a form of its own, without columns")
    if separator is None:
        return
    if not chosen.separated:
        raise ConfigurationError(f"--separator: {chosen.name} has none; csv has")
    if len(separator) != 1 or separator.isalnum() or separator in "\"'\r\n\\.-" or not separator.isascii():
        raise ConfigurationError(f"--separator: {separator!r} is no separator: write ';', '|' or $'\\t'")


def _followed(rows: "TableRows", chunks: Iterator[Any]) -> Iterator[Any]:
    """Yield `chunks`, and show how many `rows` were read meanwhile."""
    progress = _output.RowProgress()
    try:
        for chunk in chunks:
            yield chunk
            progress.show(rows.count)
    finally:
        progress.end()
