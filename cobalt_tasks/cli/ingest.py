"""`cobalt ingest`: what captures and scanners print, into the ledger."""

import click

from cobalt_tasks.cli._names import complete_formats

_MEBIBYTE = 1 << 20


class _Ingest(click.Command):
    """Names the families in its help, from the table of formats."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the families, and the formats of each."""
        from cobalt_tasks.ingest import formats

        named = {family: [each.name for each in formats.of_family(family)] for family in formats.families()}
        rows = [(formats.AUTO, "any of these"), *((family, ", ".join(names)) for family, names in named.items())]
        with formatter.section("Families, and the names of their formats for --format"):
            formatter.write_dl(rows)
        super().format_epilog(ctx, formatter)


@click.command(cls=_Ingest, short_help="Read captures and scan results into the ledger.")
@click.argument("arguments", nargs=-1, metavar="[FAMILY] FILE...|-")
@click.option(
    "--format",
    "format_name",
    metavar="F",
    shell_complete=complete_formats,
    help="Read everything as this format instead of recognising it.",
)
@click.option("--name", metavar="N", help="What the source is called in the ledger (default: its path, or stdin).")
@click.option("--resume", is_flag=True, help="Read the journals of earlier pipes whose reader was killed or stopped.")
@click.option("--follow", is_flag=True, help="Go on reading a file that grows or is rotated, until stopped.")
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="Read lines from programs that connect to tcp://HOST:PORT or unix:PATH (a socket of this user alone).",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The port that was scanned, for input that has none (zmap)."
)
@click.option(
    "--covers",
    multiple=True,
    metavar="NETWORKS:PORTS",
    help="What a scan covered, for formats that do not name it: ports there that it does not list are not open any more.",
)
@click.option("--dry-run", is_flag=True, help="Print what files hold and what would be queued; store nothing.")
@click.option("--strict", is_flag=True, help="End with 3 when a line was rejected.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the ledger of each source.")
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
    follow: bool,
    listen: str | None,
    port: int | None,
    covers: tuple[str, ...],
    dry_run: bool,
    strict: bool,
    as_json: bool,
    journal_limit: int,
) -> int:
    """Read capture lines and scan results into the ledger, and queue the jobs that follow.

    Every file has a checkpoint: only what is new is read. Bytes from a pipe are journaled on disk first. Formats are
    recognised by content: a FAMILY (below) narrows the choice. gzip, bzip2, xz and zstd are read as they are.

    \b
    Example:
      cobalt ingest masscan scan.json
      stdbuf -oL masscan 192.0.2.0/24 -p1-1024 -oD - | cobalt ingest -
      cobalt ingest scan.json --covers 192.0.2.0/24:22,80,8000-8100,53/udp
      cobalt ingest --follow /var/log/suricata/eve.json
      cobalt ingest --resume
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import coverage, settings
    from cobalt_tasks.ingest import formats
    from cobalt_tasks.ingest.run import Options, run

    is_named = arguments[:1] and arguments[0] in {formats.AUTO, *formats.families()}
    family, files = (arguments[0], arguments[1:]) if is_named else (formats.AUTO, arguments)
    _require_sense(files, name=name, resume=resume, follow=follow, listen=listen, dry_run=dry_run, covers=covers)
    options = Options(
        files=files,
        family=None if family == formats.AUTO else family,
        format=format_name,
        name=name,
        port=port,
        covers=tuple(map(coverage.read, covers)),
        resume=resume,
        follow=follow,
        listen=listen or "",
        dry_run=dry_run,
        strict=strict,
        as_json=as_json,
        journal_limit=journal_limit * _MEBIBYTE,
    )
    return run(settings.load(), options)


def _require_sense(  # the options that concern each other
    files: tuple[str, ...],
    *,
    name: str | None,
    resume: bool,
    follow: bool,
    listen: str | None,
    dry_run: bool,
    covers: tuple[str, ...],
) -> None:
    """Raise ConfigurationError for options that exclude each other or lack a file."""
    from cobalt_tasks.core.errors import ConfigurationError

    if not files and not resume and not listen:
        raise ConfigurationError("name a file, or - for standard input: cobalt ingest --help")
    if name and len(files) > 1:
        raise ConfigurationError("--name is for one source; there are several")
    if follow and (len(files) != 1 or files[0] == "-"):
        raise ConfigurationError("--follow is for one file; start one ingest for each")
    if listen and (not listen.startswith(("tcp://", "unix:/")) or "-" in files):
        raise ConfigurationError("--listen takes tcp://HOST:PORT or unix:/PATH, and no pipe beside it")
    if covers and (follow or listen or resume or dry_run):
        raise ConfigurationError(
            "--covers is for whole scans: files, or - for a pipe; not with --follow, --listen, --resume, --dry-run"
        )
    if dry_run and (not files or "-" in files or follow or listen or resume):
        raise ConfigurationError("--dry-run is for files")
