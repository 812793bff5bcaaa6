"""`cobalt report`."""

import sys
from pathlib import Path

import click

from cobalt_tasks.cli import _output
from cobalt_tasks.cli._query import QUERY, QueryCommand
from cobalt_tasks.core.errors import ConfigurationError


@click.command(
    cls=QueryCommand,
    short_help="Write one HTML file: summary, map, changes, riskiest hosts.",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("words", metavar="[QUERY]...", nargs=-1, type=QUERY)
@click.option(
    "--since", default="7d", show_default=True, help="Changes since: 24h, 7d, or a date in UTC such as 2026-11-20."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else standard output.")
def report(words: tuple[str, ...], since: str, output: Path | None) -> None:
    """Write a report as one HTML file: summary, map, changes, riskiest hosts and why, certificates, and an appendix.

    It needs no script and nothing from elsewhere, and prints well. Without QUERY it is about all hosts; docs/search.md
    has the language. Lists are bounded, and each names how many there are in all. A file gets its name when it is whole.

    \b
    Example:
      cobalt report --output report.html
      cobalt report --since 30d 'country:DE' --output germany.html
      cobalt report 'net:192.0.2.0/24 seen:<30d' > network.html
    """  # noqa: D301  # Click's mark for "do not wrap"
    import time

    from cobalt_tasks.core.settings import load
    from cobalt_tasks.db.schema import existing_ledger
    from cobalt_tasks.views.changes import moment
    from cobalt_tasks.views.report import contents
    from cobalt_tasks.views.report.document import render

    if output is None and sys.stdout.isatty():
        raise ConfigurationError("a report is an HTML file: name one with --output, or redirect the output")
    now = time.time()
    asked = contents.ReportQuery(query=" ".join(words), since=moment(since, now), until=now)
    settings = load()
    database = existing_ledger(settings)
    try:
        text = render(contents.collect(database, settings, asked))
    finally:
        database.dispose()
    _output.write(output, [text])
    if output:
        click.echo(f"report written to {output}", err=True)
