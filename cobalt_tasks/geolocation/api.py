"""Locations for other programs. Settings come from the environment, as for the command `cobalt`."""

import asyncio
import time
from collections.abc import Sequence

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.addresses import canonical, is_public
from cobalt_tasks.core.providers import LOCAL
from cobalt_tasks.core.records import Location
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.geolocation.local.mmdb import LocalDatabases

TIMEOUT_SECONDS = 60.0


def get_ip_geolocation(address: str, *, timeout: float = TIMEOUT_SECONDS) -> Location | None:
    """Return where an address is: from the local databases, else from the ledger, else from a provider.

    Args:
        address: IPv4 or IPv6, in any spelling.
        timeout: seconds to wait for a provider.

    Returns:
        None if it is no global address, no source knows it, or no provider answered in time.

    Raises:
        ConfigurationError: a setting cannot be used.
        DatabaseUnavailableError: a provider is needed, and the ledger that holds its quota does not answer.

    """
    return get_ip_geolocations_batch([address], timeout=timeout).get(address)


def get_ip_geolocations_batch(
    addresses: Sequence[str],
    batch_size: int = 100,
    *,
    timeout: float = TIMEOUT_SECONDS,
) -> dict[str, Location | None]:
    """Return where addresses are, by their spelling; see `get_ip_geolocation`.

    Args:
        addresses: IPv4 or IPv6, in any spelling.
        batch_size: the number of addresses that are looked up together, at least 1.
        timeout: seconds to wait for providers, for all addresses together.

    """
    settings = environment.load()
    deadline = time.monotonic() + timeout
    spelt = {address: canonical(address) for address in addresses}
    wanted = list(dict.fromkeys(each for each in spelt.values() if each and is_public(each)))
    found = _local(settings, wanted)
    missing = [each for each in wanted if each not in found]
    if missing:
        found |= _elsewhere(settings, missing, batch_size, deadline)
    return {address: found.get(each) if each else None for address, each in spelt.items()}


async def get_ip_geolocation_async(address: str, *, timeout: float = TIMEOUT_SECONDS) -> Location | None:  # noqa: ASYNC109
    """Return where an address is, without blocking the event loop; see `get_ip_geolocation`.

    Args:
        address: IPv4 or IPv6, in any spelling.
        timeout: seconds to wait for a provider.

    """
    return await asyncio.to_thread(get_ip_geolocation, address, timeout=timeout)


async def get_ip_geolocations_batch_async(
    addresses: Sequence[str],
    batch_size: int = 100,
    *,
    timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109
) -> dict[str, Location | None]:
    """Return where addresses are, without blocking the event loop; see `get_ip_geolocations_batch`.

    Args:
        addresses: IPv4 or IPv6, in any spelling.
        batch_size: the number of addresses that are looked up together, at least 1.
        timeout: seconds to wait for providers, for all addresses together.

    """
    return await asyncio.to_thread(get_ip_geolocations_batch, addresses, batch_size, timeout=timeout)


def _local(settings: Settings, addresses: Sequence[str]) -> dict[str, Location]:
    if settings.geo_providers[:1] != (LOCAL,):
        return {}
    databases = LocalDatabases(settings.geodb_folder)
    databases.refresh()
    now = time.time()
    return {each: location for each in addresses if (location := databases.locate(each, now))}


def _elsewhere(settings: Settings, addresses: Sequence[str], batch_size: int, deadline: float) -> dict[str, Location]:
    # These bring SQLAlchemy with them, which costs more than a local look-up takes.
    from cobalt_tasks.db.schema import open_ledger  # noqa: PLC0415
    from cobalt_tasks.geolocation.in_process import look_up  # noqa: PLC0415

    database = open_ledger(settings)
    try:
        found: dict[str, Location] = {}
        for start in range(0, len(addresses), batch_size):
            batch = addresses[start : start + batch_size]
            seconds = max(0.0, deadline - time.monotonic())
            found |= look_up(database, settings, batch, forced=False, seconds=seconds)
        return found
    finally:
        database.dispose()
