"""GeoJSON (RFC 7946): a point for each host with a place. Hosts of the user's own sites stand where their site does."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from cobalt_tasks.core import own_networks
from cobalt_tasks.hosts.exports import TableRows
from cobalt_tasks.views.exports.ndjson import shown
from cobalt_tasks.views.exports.options import ExportOptions

_DIGITS: Final = 6

Place = tuple[float, float]
"""Longitude and latitude in degrees, in the order of GeoJSON."""


class _Point(Struct, tag_field="type", tag="Point", gc=False):
    coordinates: Place


class _Feature(Struct, tag_field="type", tag="Feature", gc=False):
    id: str
    geometry: _Point
    properties: Any


def chunks(source: TableRows, options: ExportOptions) -> Iterator[str]:
    """Yield the collection.

    source: hosts; options: where the own networks are described.
    """
    names = source.names
    networks = own_networks.OwnNetworks({}) if options.home is None else own_networks.load(options.home)
    places = [names.index(name) for name in ("longitude", "latitude")]
    kept = [place for place in range(len(names)) if place not in places]
    row: Any = msgspec.defstruct("Host", [*(names[place] for place in kept), ("site", str | None, None)], gc=False)
    encode = msgspec.json.Encoder().encode_lines
    yield '{"type":"FeatureCollection","features":[\n'
    comma = ""
    for values in shown(source):
        rows: Iterable[Any] = map(row, *(values[place] for place in kept))
        where: Iterable[Place | None] = map(_place, values[places[0]], values[places[1]])
        if networks.described:
            rows, where = _of_sites(networks, list(rows), where)
        features = [
            _Feature(each.address, _Point(place), each)
            for each, place in zip(rows, where, strict=True)
            if place is not None
        ]
        if features:
            # JSON has no line break but those between the features.
            yield comma + encode(features).decode().rstrip("\n").replace("\n", ",\n")
            comma = ",\n"
    yield "\n]}\n"


def _of_sites(
    networks: own_networks.OwnNetworks, rows: list[Any], where: Iterable[Place | None]
) -> tuple[list[Any], list[Place | None]]:
    """Return hosts and their places, those of own networks at their site, where that has a place.

    networks: the own networks; rows: the hosts, to which the names of their sites are added; where: their places.
    """
    found = list(where)
    for number, row in enumerate(rows):
        site = networks.of(row.address)
        if site is not None:
            row.site = site.name
            if (place := _place(site.longitude, site.latitude)) is not None:
                found[number], row.provider = place, "site"
    return rows, found


def _place(longitude: float | None, latitude: float | None) -> Place | None:
    """Return `longitude` and `latitude`, in degrees, as a place; None if they are none on Earth."""
    if longitude is None or latitude is None or not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # noqa: PLR2004  # degrees
        return None
    return round(longitude, _DIGITS), round(latitude, _DIGITS)
