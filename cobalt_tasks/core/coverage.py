"""What a scan covered: networks and ports, as the user names them for a format that does not."""

import re
from typing import Final

from msgspec import Struct

from cobalt_tasks.core.addresses import read_network
from cobalt_tasks.core.errors import ConfigurationError

Ports = dict[str, list[tuple[int, int]]]
"""The ports of a scan, as ranges (first, last) by protocol."""

PROTOCOLS: Final = {"T": "tcp", "U": "udp", "S": "sctp"}
_HIGHEST: Final = 65535
_LONGEST: Final = 20_000
_SHOWN: Final = 80
_RANGE: Final = re.compile(r"(?:([TUS]):)?(\d{0,5})(-?)(\d{0,5})(?:/(tcp|udp|sctp))?")
_OPTION: Final = "--covers"
_FORM: Final = "write NETWORKS:PORTS, such as 192.0.2.0/24,198.51.100.7:22,80,8000-8100,53/udp"


class ScanCoverage(Struct, frozen=True, kw_only=True):
    """Networks that a scan covered, as text, and which ports of their hosts."""

    networks: tuple[str, ...]
    ports: Ports


def read(text: str) -> ScanCoverage:
    """Return what `--covers` names: `192.0.2.0/24,[2001:db8::7]:22,80,8000-8100,53/udp`.

    Raises:
        ConfigurationError: it cannot be read; the message shows the form.

    """
    # IPv6 addresses have colons, and so have ports as nmap writes them (U:53): the first one with ports behind it counts.
    for colon in re.finditer(":", text[:_LONGEST]):
        if ports := read_ports(text[colon.end() :]):
            names = [name.strip() for name in text[: colon.start()].split(",")]
            found = [str(read_network(_OPTION, name.removeprefix("[").removesuffix("]"))) for name in names]
            return ScanCoverage(networks=tuple(dict.fromkeys(found)), ports=ports)
    raise ConfigurationError(f"{_OPTION} {text[:_SHOWN]!r}: {_FORM}")


def read_ports(text: str, protocols: tuple[str, ...] = ("tcp",)) -> Ports:
    """Return the ports of a list such as `22,80,8000-8100,53/udp`, `T:22,U:53`, `-` (all of them); {} if it is none.

    text: the list; protocols: those of a port without one.
    """
    found: Ports = {}
    for each in text.split(","):
        part = _RANGE.fullmatch(each.strip())
        if part is None:
            return {}
        letter, first, dash, last, named = part.groups()
        if letter:
            protocols = (PROTOCOLS[letter],)
        if not (first or dash) or (last and not dash):
            return {}
        low = int(first or 1)
        high = int(last or _HIGHEST) if dash else low
        if not low <= high <= _HIGHEST:
            return {}
        for protocol in (named,) if named else protocols:
            found.setdefault(protocol, []).append((low, high))
    return found


def has(ports: Ports, protocol: str, port: int) -> bool:
    """Return whether `ports` hold a `port` of a `protocol`."""
    return any(first <= port <= last for first, last in ports.get(protocol, ()))
