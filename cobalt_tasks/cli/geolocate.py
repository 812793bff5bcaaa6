"""`cobalt geolocate`: find out where hosts are, by the workers or right here."""

import math
import time
from typing import TYPE_CHECKING

import click

from cobalt_tasks.views.text import printable

if TYPE_CHECKING:
    from cobalt_tasks.core.records import Location
    from cobalt_tasks.core.settings import Settings

_DAY = 86400.0
_CONCURRENCY = 8
_LOOK_UP_SECONDS = 60.0


@click.command(short_help="Locate hosts without a location, or with an old one.")
@click.option("--queue-jobs", is_flag=True, help="Only make the jobs; the workers do them.")
@click.option("--async-batch", is_flag=True, help="Do the work here, several calls to providers at a time.")
@click.option("--ip", metavar="ADDRESS", help="One address: print where it is (with --queue-jobs: make its job).")
@click.option("--force", is_flag=True, help="All hosts, also those whose location is fresh.")
@click.option(
    "--batch-size", default=100, show_default=True, type=click.IntRange(1, 10_000), help="Hosts taken at once."
)
@click.option(
    "--delay", default=0.1, show_default=True, type=click.FloatRange(0, 3600), help="Seconds between batches."
)
@click.option(
    "--max-age-days",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Locations older than this are looked up again.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def geolocate(
    *,
    queue_jobs: bool,
    async_batch: bool,
    ip: str | None,
    force: bool,
    batch_size: int,
    delay: float,
    max_age_days: float,
    as_json: bool,
) -> None:
    """Locate the hosts that have no location, an old one, or one of an older database.

    Without a mode the work is done here, one batch after the other. It may be stopped and started again, and run beside
    the workers: everything is claimed first.

    \b
    Example:
      cobalt geolocate --ip 8.8.8.8
      cobalt geolocate --queue-jobs
      cobalt geolocate --async-batch --batch-size 500
    """  # noqa: D301  # Click's mark for "do not wrap"
    from cobalt_tasks.core import settings as environment
    from cobalt_tasks.core.errors import ConfigurationError

    if queue_jobs and async_batch:
        raise ConfigurationError("--queue-jobs and --async-batch exclude each other")
    if math.isnan(delay) or math.isnan(max_age_days):
        raise ConfigurationError("--delay and --max-age-days take numbers")
    settings = environment.load()
    if ip is not None:
        _one(settings, ip, as_job=queue_jobs, force=force, as_json=as_json)
        return
    from cobalt_tasks.cli import _geolocate_all as everything

    options = everything.GeolocateOptions(batch=batch_size, delay=delay, max_age=max_age_days * _DAY, force=force)
    if queue_jobs:
        everything.queue_jobs(settings, options, as_json=as_json)
    else:
        everything.work(settings, options, concurrency=_CONCURRENCY if async_batch else 1, as_json=as_json)


def _one(settings: "Settings", ip: str, *, as_job: bool, force: bool, as_json: bool) -> None:
    from cobalt_tasks.core.addresses import canonical, is_public
    from cobalt_tasks.core.errors import ConfigurationError

    address = canonical(ip)
    if address is None:
        raise ConfigurationError(f"{ip!r} is no IP address")
    if not is_public(address):
        raise ConfigurationError(
            f"{address} is not a global unicast address: it has no location, and no provider is asked"
        )
    if as_job:
        from cobalt_tasks.cli._geolocate_all import queue_one

        queue_one(settings, address, force=force, as_json=as_json)
        return
    location = None if force else _local(settings, address)
    if location is None:
        from cobalt_tasks.cli._geolocate_all import locate_one

        location = locate_one(settings, address, force=force, seconds=_LOOK_UP_SECONDS)
    _print(location, as_json=as_json)


def _local(settings: "Settings", address: str) -> "Location | None":
    """Ask the databases of this machine. This path imports nothing that is slow, and needs no ledger."""
    from cobalt_tasks.core.providers import LOCAL
    from cobalt_tasks.geolocation.local.mmdb import LocalDatabases

    if settings.geo_providers[:1] != (LOCAL,):
        return None
    databases = LocalDatabases(settings.geodb_folder)
    return databases.locate(address, time.time()) if databases.refresh() else None


def _print(location: "Location", *, as_json: bool) -> None:
    import msgspec

    from cobalt_tasks.views import documents

    if as_json:
        shown = {name: value for name, value in msgspec.structs.asdict(location).items() if name != "raw"}
        shown["sources"] = msgspec.json.decode(location.sources) if location.sources else {}
        documents.print_object(shown)
        return
    country = (
        f"{location.country_name or location.country_code} ({location.country_code})" if location.country_code else ""
    )
    where = ", ".join(part for part in (location.city, location.region, country) if part)
    network = f"AS{location.asn} {location.organisation or ''}".strip() if location.asn else location.organisation or ""
    degrees = f"{location.latitude}, {location.longitude}" if location.latitude is not None else ""
    source = location.provider
    if location.database_built is not None:
        days = (time.time() - location.database_built) / _DAY
        source += (
            f", database of {time.strftime('%Y-%m-%d', time.gmtime(location.database_built))} ({days:.0f} days old)"
        )
    click.echo(location.address)
    for name, value in (("where", where), ("degrees", degrees), ("network", network), ("source", source)):
        if value:
            click.echo(f"  {name:8} {printable(value)}")
