"""The user's own networks, from networks.toml in COBALT_HOME: name, place, owner, importance and tags of each.

["10.1.0.0/16"]
name = "office"
latitude = 52.52
longitude = 13.40
owner = "IT"
importance = 2.0
tags = ["lab", "berlin"]
"""

import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from cobalt_tasks.core.addresses import read_network
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.special_networks import Network

FILE: Final = "networks.toml"
OWN: Final = "own"
"""The word in COBALT_SCOPE that stands for these networks."""

_LARGEST: Final = 1 << 20

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Labels = Mapping[str, Mapping[str, Sequence[Network]]]
"""`site` and `tag` → each name in lower case → its networks."""


class Description(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one network.

    Attributes:
        name: of the site; several networks may have one name.
        latitude: degrees, with `longitude`; None where no place is given.
        longitude: degrees.
        owner: who answers for it.
        importance: what the points of findings are multiplied by, from 0 to 10.
        tags: words to find it by.

    """

    name: Name
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    owner: Name | None = None
    importance: Annotated[float, Meta(ge=0, le=10)] = 1.0
    tags: tuple[Name, ...] = ()


class OwnNetworks:
    """All own networks. Of nested networks, the smallest describes a host."""

    def __init__(self, described: Mapping[Network, Description]) -> None:
        """Hold what `load` has read; `described`: each network with its description."""
        self.described = described
        self._smallest_first = sorted(described, key=lambda network: -network.prefixlen)

    def of(self, address: str) -> Description | None:
        """Return the description of the smallest network with an address, None outside of all."""
        if not self.described:
            return None
        parsed = ip_address(address)
        return next((self.described[network] for network in self._smallest_first if parsed in network), None)

    def importance(self, address: str) -> float:
        """Return what the points of a host's findings are multiplied by, 1 outside of all networks."""
        found = self.of(address)
        return 1.0 if found is None else found.importance

    def labels(self) -> Labels:
        """Return the networks of each site and of each tag, for the search."""
        sites: dict[str, list[Network]] = defaultdict(list)
        tags: dict[str, list[Network]] = defaultdict(list)
        for network, description in self.described.items():
            sites[description.name.lower()].append(network)
            for tag in description.tags:
                tags[tag.lower()].append(network)
        return {"site": sites, "tag": tags}


def load(home: Path) -> OwnNetworks:
    """Read networks.toml in `home`; without the file there are no own networks.

    Raises:
        ConfigurationError: it cannot be read or used; the message names the network.

    """
    file = home / FILE
    try:
        if file.stat().st_size > _LARGEST:
            raise ConfigurationError(f"{file} is larger than {_LARGEST >> 20} MiB")
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return OwnNetworks({})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error
    described: dict[Network, Description] = {}
    for text, table in document.items():
        network = read_network(str(file), text)
        if network in described:
            raise ConfigurationError(f"{file}: {network} stands there twice")
        try:
            description = msgspec.convert(table, Description)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f'{file}: ["{text}"]: {error}') from None
        if (description.latitude is None) != (description.longitude is None):
            raise ConfigurationError(f'{file}: ["{text}"]: a place needs latitude and longitude')
        described[network] = description
    return OwnNetworks(described)


def scope(home: Path, names: Sequence[str]) -> list[str]:
    """Return the networks of a scope, with the own networks in place of the word "own".

    Args:
        home: the folder of networks.toml.
        names: what COBALT_SCOPE names.

    Raises:
        ConfigurationError: the own networks are named, and there are none.

    """
    if OWN not in names:
        return list(names)
    own = [str(network) for network in load(home).described]
    if not own:
        # To read it as "no scope" would probe everything a scan reported.
        raise ConfigurationError(
            f"COBALT_SCOPE: {OWN!r} stands for the networks of {home / FILE}, which describes no network"
        )
    return [*(name for name in names if name != OWN), *own]
