"""`cobalt ingest`: what captures and scanners print, into the ledger."""

import click

FAMILIES = ("auto", "capture", "masscan")
_MEBIBYTE = 1 << 20


@click.command()
@click.argument("arguments", nargs=-1, metavar="[auto|capture|masscan] FILE...|-")
@click.option("--format", "format_name", metavar="F", help="Read everything as this format instead of recognising it.")
@click.option("--name", metavar="N", help="What the source is called in the ledger (default: its path, or stdin).")
@click.option("--resume", is_flag=True, help="Read the journals of earlier pipes whose reader was killed or stopped.")
@click.option("--strict", is_flag=True, help="End with 3 when a line was rejected.")
@click.option("--json", "as_json", is_flag=True, help="Print the ledger of each source as JSON.")
@click.option(
    "--journal-limit",
    type=click.IntRange(16),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="What bytes from a pipe may take on disk until they are stored; then the pipe is left to wait.",
)
def ingest(
    arguments: tuple[str, ...],
    format_name: str | None,
    name: str | None,
    resume: bool,
    strict: bool,
    as_json: bool,
    journal_limit: int,
) -> int:
    """Read capture lines and scan results into the ledger, and queue the jobs that follow.

    Every file has a checkpoint: reading it again reads only what is new. Bytes from a pipe are journaled on disk
    first, so that the program that writes them never waits for a database.

    \b
    Example:
      cobalt ingest masscan scan.json
      stdbuf -oL masscan 192.0.2.0/24 -p1-1024 -oD - | cobalt ingest -
      cobalt ingest --resume
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks import settings
    from cobalt_tasks.errors import ConfigurationError
    from cobalt_tasks.ingest.session import Wishes, run

    family, files = (arguments[0], arguments[1:]) if arguments[:1] and arguments[0] in FAMILIES else ("auto", arguments)
    if not files and not resume:
        raise ConfigurationError("name a file, or - for standard input: cobalt ingest --help")
    if name and len(files) > 1:
        raise ConfigurationError("--name is for one source; there are several")
    wishes = Wishes(
        files=files,
        family=None if family == "auto" else family,
        format=format_name,
        name=name,
        resume=resume,
        strict=strict,
        as_json=as_json,
        journal_limit=journal_limit * _MEBIBYTE,
    )
    return run(settings.load(), wishes)
