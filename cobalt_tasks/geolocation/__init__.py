"""Where an address is, and whose: local databases first, then online providers within quotas that all workers share.

from cobalt_tasks.geolocation import get_ip_geolocation

location = get_ip_geolocation("8.8.8.8")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cobalt_tasks.geolocation.api import (
        get_ip_geolocation,
        get_ip_geolocation_async,
        get_ip_geolocations_batch,
        get_ip_geolocations_batch_async,
    )

__all__ = [
    "get_ip_geolocation",
    "get_ip_geolocation_async",
    "get_ip_geolocations_batch",
    "get_ip_geolocations_batch_async",
]


def __getattr__(name: str) -> Any:
    """Import a public function at its first use: a look-up in a local database needs nothing else of this package."""
    if name in __all__:
        from cobalt_tasks.geolocation import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(name)
