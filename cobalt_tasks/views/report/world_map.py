"""The map of a report: an outline of the land, hosts as circles, own sites as squares, in SVG."""

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Final
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from cobalt_tasks.views.report.contents import MapPlace
from cobalt_tasks.views.report.elements import element

_LAND: Final = "dashboard/static/land.svg"
_PATH: Final = "{http://www.w3.org/2000/svg}path"
_LARGEST: Final = 5.0
_SMALLEST: Final = 0.7
_MOST: Final = 3000


def world_map(places: Sequence[MapPlace]) -> Element:
    """Return the map of some places; of many, those with most hosts."""
    land = ET.fromstring(files("cobalt_tasks.views").joinpath(_LAND).read_text(encoding="utf-8"))  # noqa: S314  # our own file
    paths = (element("path", d=_whole(each)) for each in land.iter(_PATH))
    ordered = sorted(places, key=lambda place: -place.hosts)[:_MOST]
    most = max((place.hosts for place in ordered), default=1)
    return element(
        "svg",
        element("g", *paths, class_="land"),
        element("g", *(_mark(place, most) for place in ordered if not place.site), class_="hosts"),
        element("g", *(_mark(place, most) for place in ordered if place.site), class_="sites"),
        viewBox=land.get("viewBox", ""),
        role="img",
        aria_label="Where the hosts are",
    )


def _whole(path: Element) -> str:
    return path.get("d", "")


def _mark(place: MapPlace, most: int) -> Element:
    """Return the mark of a place; `most`: hosts at the largest one."""
    if place.site:
        title = element("title", place.site)
        return element("rect", title, x=place.longitude - 1, y=-place.latitude - 1, width=2, height=2)
    title = element("title", f"{place.hosts:,} {'host' if place.hosts == 1 else 'hosts'}")
    radius = max(_SMALLEST, _LARGEST * math.sqrt(place.hosts / max(most, 1)))
    return element("circle", title, cx=round(place.longitude, 2), cy=round(-place.latitude, 2), r=round(radius, 2))
