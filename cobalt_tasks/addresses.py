"""Canonical addresses, and the scope: which of them may receive a packet."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cobalt_tasks.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LONGEST = 128
"""Characters an address with brackets and an interface name can have; longer text is not looked at."""


def canonical(text: str) -> str | None:
    """Return the one spelling of an address, or None when it is none.

    Brackets and %iface are dropped, `::ffff:192.0.2.1` becomes `192.0.2.1` (RFC 4291 2.5.5.2), IPv6 follows RFC 5952.
    """
    if len(text) > _LONGEST:
        return None
    # The interface stands before the closing bracket, or after it as ss prints it.
    text = text.split("%", 1)[0]
    if text.startswith("["):
        text = text[1:].removesuffix("]")
    try:
        return str(_unmapped(ip_address(text)))
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Tell whether an address may be sent to a provider: global, and not multicast.

    Python counts 224.0.0.1 as global, so both are asked (facts: providers).
    """
    parsed = ip_address(address)
    return parsed.is_global and not parsed.is_multicast


class Scope:
    """The networks that may be probed actively. Exclusions always win.

    Without any allowed network, discoveries are in scope (they came from the user's own scan) and nothing else is.
    """

    def __init__(self, allowed: Iterable[str] = (), excluded: Iterable[str] = ()) -> None:
        """Read networks and addresses in text form.

        Raises:
            ConfigurationError: one of them is neither.

        """
        self._allowed = tuple(_network("COBALT_SCOPE", text) for text in allowed)
        self._excluded = tuple(_network("COBALT_EXCLUDE", text) for text in excluded)

    def allows(self, address: str, *, discovered: bool) -> bool:
        """Tell whether an address may receive a packet; `discovered` by a scan of the user's own."""
        parsed = ip_address(address)
        if any(parsed in network for network in self._excluded):
            return False
        if self._allowed:
            return any(parsed in network for network in self._allowed)
        return discovered


def _network(variable: str, text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        message = f"{variable}: {text!r} is no address and no network, such as 192.0.2.0/24"
        raise ConfigurationError(message) from None


def _unmapped(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address
