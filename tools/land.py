"""Makes cobalt_tasks/views/dashboard/static/land.svg from Natural Earth's shapes: the outline behind the page's dots.

    npm pack world-atlas && tar xzf world-atlas-*.tgz
    python tools/land.py package/land-110m.json > cobalt_tasks/views/dashboard/static/land.svg

Natural Earth is in the public domain; the npm package world-atlas (ISC) carries it as TopoJSON.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

SOUTH = -60.0
"""Below it is Antarctica alone, where no address is."""


def main(file: Path) -> None:
    """Print the picture: degrees as units, north up, one path."""
    topology = json.loads(file.read_text())
    arcs = [decoded(arc, **topology["transform"]) for arc in topology["arcs"]]
    rings = [
        ring
        for shape in topology["objects"]["land"]["geometries"]
        for polygon in shape["arcs"]
        for ring in (joined(indexes, arcs) for indexes in polygon)
        if max(latitude for _, latitude in ring) > SOUTH
    ]
    path = "".join(drawn(copy) for ring in rings for copy in copies(unbroken(ring)))
    print("<!-- Natural Earth, public domain; made by tools/land.py -->")
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-180 -85 360 145"><path d="{path}"/></svg>')


def decoded(arc: list[list[int]], scale: list[float], translate: list[float]) -> list[tuple[float, float]]:
    """Return an arc in degrees; TopoJSON holds it in steps from point to point."""
    x = y = 0
    points = []
    for dx, dy in arc:
        x, y = x + dx, y + dy
        points.append((x * scale[0] + translate[0], y * scale[1] + translate[1]))
    return points


def joined(indexes: list[int], arcs: list[list[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Return a ring; a negative index is an arc read backwards."""
    ring: list[tuple[float, float]] = []
    for index in indexes:
        points = arcs[index] if index >= 0 else arcs[~index][::-1]
        ring += points[1:] if ring else points
    return ring


def unbroken(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a ring that goes on beyond 180 degrees instead of jumping to the other side."""
    shift = 0.0
    points = [ring[0]]
    for (before, _), (longitude, latitude) in pairwise(ring):
        shift += 360 * ((before - longitude > 180) - (longitude - before > 180))  # noqa: PLR2004
        points.append((longitude + shift, latitude))
    return points


def copies(ring: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Return a ring as often as the picture shows a part of it; what lies outside is cut off."""
    shifted = [[(x + turn, y) for x, y in ring] for turn in (-360, 0, 360)]
    return [copy for copy in shifted if max(x for x, _ in copy) > -180 and min(x for x, _ in copy) < 180]  # noqa: PLR2004


def drawn(ring: list[tuple[float, float]]) -> str:
    """Return a closed path in tenths of a degree."""
    points = list(dict.fromkeys((round(x, 1), round(-y, 1)) for x, y in ring))
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points) + "Z"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
