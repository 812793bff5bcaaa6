"""Canonical addresses, and the scope: which of them may receive a packet."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.special_networks import (
    GLOBAL_WITHIN,
    IPV4,
    IPV6,
    NEVER_PROBED,
    NOT_GLOBAL,
    Network,
    NetworkSet,
    ipv4_inside,
    parsed,
)

Address = IPv4Address | IPv6Address

_LONGEST = 128
"""Characters an address with brackets and an interface name can have; longer text is not looked at."""

_NOT_GLOBAL: Final = NetworkSet(parsed(NOT_GLOBAL))
_GLOBAL_WITHIN: Final = NetworkSet(parsed(GLOBAL_WITHIN))
_NEVER: Final = NetworkSet(parsed(NEVER_PROBED))
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


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
    """Return whether an address may be sent to a provider or a public resolver: global, and not multicast.

    An IPv6 address that carries an IPv4 address is public only if that is: a private one must not leave inside it.
    """
    version, number = _numbered(address)
    if version == IPV4:
        return _is_global(IPV4, number)
    return _is_global(IPV6, number) and all(_is_global(IPV4, inside) for inside, _ in ipv4_inside(number))


def sort_key(address: str) -> str:
    """Return a text in whose order addresses (canonical) of a network stand together: the version, and the number in
    hexadecimal digits.
    """
    if ":" in address:
        return "6" + inet_pton(AF_INET6, address).hex()
    return "4" + inet_pton(AF_INET, address).hex()


def sort_keys(network: Network) -> tuple[str, str]:
    """Return the sort keys of the first and of the last address of a network."""
    return sort_key(str(network[0])), sort_key(str(network[-1]))


class Scope:
    """The networks that may be probed actively. Exclusions always win.

    Without any allowed network, discoveries are in scope (they came from the user's own scan) and nothing else is.
    An IPv4 address inside an IPv6 address counts as well: see `allows`.
    """

    def __init__(self, allowed: Iterable[str] = (), excluded: Iterable[str] = ()) -> None:
        """Read the networks.

        Args:
            allowed: networks and addresses as text, COBALT_SCOPE; empty: discoveries only.
            excluded: the same, COBALT_EXCLUDE.

        Raises:
            ConfigurationError: one of them is neither.

        """
        self.allowed = tuple(read_network("COBALT_SCOPE", text) for text in allowed)
        self.excluded = tuple(read_network("COBALT_EXCLUDE", text) for text in excluded)
        self._allowed = NetworkSet(self.allowed)
        self._excluded = NetworkSet(self.excluded)

    def allows(self, address: str, *, discovered: bool) -> bool:
        """Return whether a host may be probed.

        An IPv6 address with an IPv4 address inside (mapped, NAT64, 6to4, Teredo, ISATAP) is probed only if both may be:
        neither is excluded, and where a scope is set, both lie in it, or one of its networks names that form itself
        (`64:ff9b::/96`, `2002:c000:200::/40`).

        Args:
            address: canonical.
            discovered: whether a scan of the user's own reported the host.

        """
        if not (discovered or self.allowed):
            return False
        own = _numbered(address)
        if own in _NEVER or own in self._excluded or (self.allowed and own not in self._allowed):
            return False
        return own[0] == IPV4 or all(self._allows_inside(own[1], *each) for each in ipv4_inside(own[1]))

    def excludes(self, address: str) -> bool:
        """Return whether a host is excluded, itself or by the IPv4 address inside: it is not even asked about."""
        if not self.excluded:
            return False
        version, number = _numbered(address)
        inside = ipv4_inside(number) if version == IPV6 else []
        return (version, number) in self._excluded or any((IPV4, each) in self._excluded for each, _ in inside)

    def in_words(self) -> str:
        """Return one line for an operator: what is probed, and what never."""
        probed = "probes: only what your own scans reported"
        traffic = "hosts only seen in traffic: never probed"
        if self.allowed:
            probed = f"probes: only {_listed(self.allowed)}"
            traffic = "hosts only seen in traffic: probed if in there"
        never = f"never, not even looked up: {_listed(self.excluded)}" if self.excluded else "nothing is excluded"
        return f"{probed}; {traffic}; {never}"

    def _allows_inside(self, number: int, inside: int, length: int) -> bool:
        """Decide on an IPv4 address inside an IPv6 address, whose first `length` bits mean that it is there."""
        if (IPV4, inside) in _NEVER or (IPV4, inside) in self._excluded:
            return False
        if not self.allowed or (IPV4, inside) in self._allowed:
            return True
        named = (each for each in self.allowed if each.version == IPV6 and each.prefixlen >= length)
        return any(int(each[0]) <= number <= int(each[-1]) for each in named)


def read_network(variable: str, text: str) -> Network:
    """Return the network or the one address a setting names; a mapped one as the IPv4 network it is.

    Args:
        variable: the setting's name, for the message.
        text: ADDRESS or NETWORK/PREFIX.

    Raises:
        ConfigurationError: it is neither, or has bits set behind its prefix.

    """
    try:
        network = ip_network(text)
    except ValueError:
        raise ConfigurationError(f"{variable}: {_complaint(text)}") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))
    return network


def _complaint(text: str) -> str:
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is no address and no network, such as 192.0.2.0/24"
    address = text.partition("/")[0]
    return f"{text!r} has bits set behind its prefix: write {meant} for the network, or {address} for the one address"


def _listed(networks: Iterable[Network]) -> str:
    # One address is printed as such, not as a network of one.
    return ", ".join(str(each.network_address if each.prefixlen == each.max_prefixlen else each) for each in networks)


def _numbered(address: str) -> tuple[int, int]:
    """Return the version and the number of an address in canonical form. Ingest comes here for each record."""
    if ":" in address:
        return IPV6, int.from_bytes(inet_pton(AF_INET6, address))
    return IPV4, int.from_bytes(inet_pton(AF_INET, address))


def _is_global(version: int, number: int) -> bool:
    return (version, number) not in _NOT_GLOBAL or (version, number) in _GLOBAL_WITHIN


def _unmapped(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address
