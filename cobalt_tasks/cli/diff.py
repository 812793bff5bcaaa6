"""`cobalt diff`."""

import click


@click.command(short_help="Compare two scans, of any formats, or two times.")
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def diff(first: str, second: str, as_json: bool) -> None:
    """Compare two scans, of any formats, or two times, as ndiff compares two files of nmap's.

    FIRST and SECOND are files, sources of the ledger by number or name, or two times (24h, 2026-11-20). A line with - is
    only in the first, one with + only in the second. Files are not ingested. What a scan did not look at counts as not
    open: `cobalt changes` knows better.

    \b
    Example:
      cobalt diff monday.xml tuesday.json
      cobalt diff 3 7 --json
      cobalt diff 2026-11-20 2026-11-27
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core.settings import load
    from cobalt_tasks.views import diff as views
    from cobalt_tasks.views import documents

    found = views.between(load(), first, second, lambda line: click.echo(line, err=True))
    if as_json:
        documents.print_list(found)
        return
    if not found:
        click.echo("no difference")
    for line in views.as_text(found):
        click.echo(line)
