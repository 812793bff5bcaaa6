"""Special-purpose networks, by IANA's registries: which addresses are global, and which carry an IPv4 address inside.

Sources: https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry (as of 2025),
https://www.iana.org/assignments/ipv6-address-space. A table of our own, because that of Python's `ipaddress` changes
between its versions.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

IPV4: Final = 4
IPV6: Final = 6

NOT_GLOBAL: Final = (
    "0.0.0.0/8",  # this network, RFC 791
    "10.0.0.0/8",  # private use, RFC 1918
    "100.64.0.0/10",  # shared address space, RFC 6598
    "127.0.0.0/8",  # loopback, RFC 1122
    "169.254.0.0/16",  # link local, RFC 3927
    "172.16.0.0/12",  # private use, RFC 1918
    "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.88.99.0/24",  # 6to4 relays, deprecated, RFC 7526
    "192.168.0.0/16",  # private use, RFC 1918
    "198.18.0.0/15",  # benchmarks, RFC 2544
    "198.51.100.0/24",  # documentation, RFC 5737
    "203.0.113.0/24",  # documentation, RFC 5737
    "224.0.0.0/4",  # multicast, RFC 5771: in a registry of its own
    "240.0.0.0/4",  # reserved, RFC 1112, and limited broadcast, RFC 8190
    "::/3",  # loopback, mapped, discard, local translation, ...: not in IANA's global unicast
    "2001::/23",  # IETF protocol assignments with Teredo, benchmarks and ORCHID, RFC 2928
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056: "not applicable"
    "3fff::/20",  # documentation, RFC 9637
    "4000::/2",  # not in IANA's global unicast, with 5f00::/16 (SRv6, RFC 9602)
    "8000::/1",  # the same, with unique local, link local and multicast addresses
)
GLOBAL_WITHIN: Final = (
    "192.0.0.9/32",  # port control protocol anycast, RFC 7723
    "192.0.0.10/32",  # TURN anycast, RFC 8155
    "64:ff9b::/96",  # translated IPv4, RFC 6052
    "2001:1::1/128",  # port control protocol anycast, RFC 7723
    "2001:1::2/128",  # TURN anycast, RFC 8155
    "2001:1::3/128",  # DNS-SD registration anycast, RFC 9665
    "2001:3::/32",  # AMT, RFC 7450
    "2001:4:112::/48",  # AS112, RFC 7535
    "2001:20::/28",  # ORCHIDv2, RFC 7343
    "2001:30::/28",  # drone remote identification, RFC 9374
)
"""What is global although a network of `NOT_GLOBAL` contains it."""

NEVER_PROBED: Final = (
    "0.0.0.0/8",  # Linux connects 0.0.0.0 to this very machine
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "ff00::/8",
)
"""What is no address of one host: never a target, whatever the scope."""

_MAPPED: Final = ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
"""IPv4 in the last four bytes: compatible (RFC 4291 2.5.5.1), mapped (2.5.5.2), translated (RFC 2765 2.1, RFC 6052)."""

_LOCAL_NAT64: Final = ip_network("64:ff9b:1::/48")
"""Translation inside a network, with any prefix length of RFC 6052 2.2 (RFC 8215)."""

_SIXTOFOUR: Final = ip_network("2002::/16")
_TEREDO: Final = ip_network("2001::/32")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
"""Bytes 8 to 11 of an ISATAP address, RFC 5214 6.1."""

_LAST_32: Final = 0xFFFFFFFF


class NetworkSet:
    """Networks of both families, merged and sorted: a look-up costs the same for one network and for ten thousand."""

    def __init__(self, networks: Iterable[Network]) -> None:
        """Merge the networks."""
        self._first: dict[int, list[int]] = {IPV4: [], IPV6: []}
        self._last: dict[int, list[int]] = {IPV4: [], IPV6: []}
        ranges = ((each.version, int(each.network_address), int(each.broadcast_address)) for each in networks)
        for version, first, last in sorted(ranges):
            lasts = self._last[version]
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(last, lasts[-1])
            else:
                self._first[version].append(first)
                lasts.append(last)

    def __contains__(self, address: tuple[int, int]) -> bool:
        """Return whether (version, number) lies in one of the networks."""
        version, number = address
        index = bisect_right(self._first[version], number) - 1
        return index >= 0 and number <= self._last[version][index]


def parsed(networks: Iterable[str]) -> list[Network]:
    """Return networks of a table of ours."""
    return [ip_network(each) for each in networks]


def ipv4_inside(number: int) -> list[tuple[int, int]]:
    """Return the IPv4 addresses an IPv6 address carries, each as (number, length of the prefix that means so).

    A packet to such an address may be delivered to that IPv4 host: by a translator, a relay, or the host's own kernel.
    """
    last = number & _LAST_32
    if (IPV6, number) in _CARRIERS:
        # The two addresses :: and ::1 are no IPv4.
        return [(last, 96)] if number > 1 else []
    if _holds(_SIXTOFOUR, number):
        return [((number >> 80) & _LAST_32, 16)]
    if _holds(_TEREDO, number):
        # The server, and the client with its bits flipped (RFC 4380 4).
        return [((number >> 64) & _LAST_32, 32), (last ^ _LAST_32, 32)]
    if _holds(_LOCAL_NAT64, number):
        return [(found, 48) for found in _translated(number.to_bytes(16)) if found >> 24]
    return [(last, 96)] if (number >> 32) & _LAST_32 in _ISATAP else []


def _translated(raw: bytes) -> Iterator[int]:
    """Yield what the four possible prefixes read (RFC 6052 2.2): byte 8 and what follows the address are zero."""
    for before, after in ((2, 2), (1, 3), (0, 4)):
        if not raw[8] and not any(raw[9 + after :]):
            yield int.from_bytes(raw[8 - before : 8] + raw[9 : 9 + after])
    yield int.from_bytes(raw[12:])


def _holds(network: Network, number: int) -> bool:
    return int(network.network_address) <= number <= int(network.broadcast_address)


_CARRIERS: Final = NetworkSet(parsed(_MAPPED))
