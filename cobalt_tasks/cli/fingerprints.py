"""`cobalt fingerprints`: recog's fingerprints, which recognise more than the built-in protocols do."""

import time
from pathlib import Path

import click

from cobalt_tasks.cli._group import Group

_ENOUGH = 0.85
"""The share of examples that must be recognised."""


@click.group(cls=Group, short_help="Install and test the fingerprints of recog.")
def fingerprints() -> None:
    """Install and test the fingerprints of recog (https://github.com/rapid7/recog).

    \b
    Example:
      cobalt fingerprints update
      cobalt fingerprints test
    """  # noqa: D301  # Click's mark for "do not wrap"


@fingerprints.command()
@click.option(
    "--from",
    "source",
    metavar="FILE|DIR",
    type=click.Path(exists=True, path_type=Path),
    help="Install this release archive (.tar.gz, .zip), folder or .xml file instead of downloading.",
)
def update(source: Path | None) -> None:
    """Fetch the latest release, check it whole, and replace what is installed.

    \b
    Example:
      cobalt fingerprints update
      cobalt fingerprints update --from recog-3.1.25.tar.gz
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.fingerprints import install

    loaded = settings.load()
    if loaded.offline and source is None:
        raise ConfigurationError("COBALT_OFFLINE is set, so nothing is fetched: name an archive with --from")
    if source is None:
        install.update(loaded.fingerprints_folder, loaded.fingerprints_url)
    else:
        install.add(loaded.fingerprints_folder, source)
    _print(loaded.fingerprints_folder)


@fingerprints.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(*, as_json: bool) -> None:
    """Show what is installed: source, licence, date, and how many patterns there are.

    \b
    Example:
      cobalt fingerprints info
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings

    folder = settings.load().fingerprints_folder
    if not as_json:
        _print(folder)
        return
    import msgspec

    from cobalt_tasks.fingerprints import manifest
    from cobalt_tasks.views import documents

    found = manifest.load(folder)
    shown = {"folder": str(folder), "installed": msgspec.to_builtins(found) if found else None}
    documents.print_object(shown)


@fingerprints.command()
@click.option("-v", "--verbose", is_flag=True, help="Print each example that fails, with what was found.")
def test(*, verbose: bool) -> None:
    """Recognise the examples that the installed fingerprints bring; end with 1 if fewer than 85 % have their own values.

    \b
    Example:
      cobalt fingerprints test -v
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings
    from cobalt_tasks.core.errors import FingerprintsError
    from cobalt_tasks.fingerprints import manifest
    from cobalt_tasks.fingerprints.examples import failures

    folder = settings.load().fingerprints_folder
    found = manifest.load(folder)
    if found is None:
        raise FingerprintsError(f"no fingerprints in {folder}: run cobalt fingerprints update")
    failed = list(failures(manifest.patterns(folder, found), manifest.examples(folder, found)))
    if verbose:
        for example, got in failed:
            click.echo(_shown(f"{example.field}: {example.text[:100]!r}: expected {example.expected}, found {got}"))
    right = found.examples - len(failed)
    click.echo(f"{right:,} of {found.examples:,} examples have the values they were made for")
    if right < _ENOUGH * found.examples:
        raise FingerprintsError(f"fewer than {_ENOUGH:.0%} of the examples are recognised")


def _shown(line: str) -> str:
    """Return a line that may hold text from files, without control characters."""
    from cobalt_tasks.core.text import printable

    return printable(line.encode("utf-8", "surrogateescape")).replace("\n", " ")


def _print(folder: Path) -> None:
    from cobalt_tasks.fingerprints import manifest

    found = manifest.load(folder)
    if found is None:
        click.echo(f"No fingerprints in {folder}: run `cobalt fingerprints update`.")
        return
    day = time.strftime("%Y-%m-%d", time.gmtime(found.fetched_at))
    click.echo(_shown(f"{found.patterns:,} patterns for {found.fields} fields from {found.source}, installed {day}"))
    click.echo(_shown(f"{found.examples:,} examples; {found.left_out:,} patterns left out; licence {found.licence}"))
