"""The vendor of a network interface by its MAC address, from the IEEE's list that the package netaddr carries."""

from functools import lru_cache

from netaddr import EUI, AddrFormatError, NotRegisteredError


@lru_cache(4096)
def vendor_of(mac: str) -> str | None:
    """Return the organisation to which the first half of `mac` is assigned; None if it is to none, or was chosen locally."""
    try:
        name: str = EUI(mac).oui.registration().org
    except (AddrFormatError, NotRegisteredError, ValueError):
        return None
    return name or None
