"""Where hosts are, for the map: counted by the cells of a grid, and put together to clusters for the part that is shown.

A small ledger is counted when it is asked. Of a larger one the upkeep counts the cells, some thousand hosts at a time.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
)

from cobalt_tasks.db import counts, cursors
from cobalt_tasks.db.bulk import whole
from cobalt_tasks.db.engine import Database, database_now
from cobalt_tasks.db.tables import hosts, locations, map_cells
from cobalt_tasks.hosts.recounting import Recounting, spans

COLUMNS: Final = 2048
"""Cells around the equator: a cell is 20 km wide there."""

_PER_DEGREE: Final = COLUMNS / 360
_ROWS: Final = COLUMNS // 2
NO_PLACE: Final = -1

COUNTED_AT_ONCE: Final = 10_000
"""Hosts up to which a ledger is counted when it is asked."""

_MOST_ACROSS: Final = 40
_MOST_CLUSTERS: Final = 500
_COUNTRIES_SHOWN: Final = 5

_CURSOR: Final = "map cells"
_HOSTS_AT_ONCE: Final = 5_000
_CELLS_AT_ONCE: Final = 1_000
_MOST_CELLS: Final = 200_000
_NAMES: Final = ("y", "x", "country_code", "city", "hosts", "latitude", "longitude")

Sums = dict[tuple[int, int, str], tuple[str, int, float, float]]


class Box(Struct, frozen=True, kw_only=True):
    """A part of the world, in degrees."""

    south: float = -90.0
    west: float = -180.0
    north: float = 90.0
    east: float = 180.0


class Cluster(Struct, frozen=True, kw_only=True):
    """Hosts near each other.

    Attributes:
        latitude: of their mean place, degrees.
        longitude: of their mean place, degrees.
        hosts: how many.
        countries: the codes of the countries most are in, with the numbers; '' where none is known.
        city: where they all are, None where they are in several.
        box: the part of the world they are counted from.

    """

    latitude: float
    longitude: float
    hosts: int
    countries: list[tuple[str, int]]
    city: str | None
    box: Box


class Places(Struct, frozen=True, kw_only=True):
    """The clusters of a part of the world, the largest first.

    Attributes:
        clusters: at most 500.
        hosts: in all clusters, also those that are not listed.
        counted_at: when, epoch seconds; None for just now.
        is_counted: false in a large ledger that was not counted yet.

    """

    clusters: list[Cluster]
    hosts: int
    counted_at: float | None
    is_counted: bool


class MapCells(Recounting):
    """Counts the hosts of each cell again and again, some hosts further with every call."""

    def __init__(self) -> None:
        """Start with the first host, at the first call."""
        super().__init__(_count_all, _age)


def clusters(connection: Connection, box: Box, width: int) -> Places:
    """Return the clusters of a part of the world.

    Args:
        connection: to the ledger.
        box: the part.
        width: of a cluster, in cells; it is made wider where there would be more than 40 side by side.

    """
    rows, counted_at, is_counted = _cells(connection)
    west, east = (_cell(each, 180.0, COLUMNS) for each in (box.west, box.east))
    south, north = (_cell(each, 90.0, _ROWS) for each in (box.south, box.north))
    width = max(width, math.ceil((max(east - west, north - south) + 1) / _MOST_ACROSS))
    y, x = (_divided(rows.c[name], width) for name in ("y", "x"))
    sums = [func.sum(rows.c.hosts * rows.c[name]) for name in ("latitude", "longitude")]
    city = func.min(rows.c.city), func.max(rows.c.city)
    chosen = select(y, x, rows.c.country_code, func.sum(rows.c.hosts), *sums, *city)
    # Whole clusters: at the edge they would change with every move of the map.
    inside = and_(
        rows.c.y.between(south // width * width, north // width * width + width - 1),
        rows.c.x.between(west // width * width, east // width * width + width - 1),
    )
    found: dict[tuple[int, int], list[Any]] = {}
    for row in connection.execute(chosen.where(inside).group_by(y, x, rows.c.country_code)):
        found.setdefault((row[0], row[1]), []).append(row)
    made = sorted((_cluster(key, parts, width) for key, parts in found.items()), key=lambda each: -each.hosts)
    total = sum(each.hosts for each in made)
    return Places(clusters=made[:_MOST_CLUSTERS], hosts=total, counted_at=counted_at, is_counted=is_counted)


def countries(connection: Connection) -> dict[str, tuple[int, float | None, float | None]]:
    """Return (hosts, latitude, longitude) of each country: the mean place of its hosts, None where none has coordinates."""
    rows, _, _ = _cells(connection)
    placed = rows.c.y != NO_PLACE
    number = func.sum(rows.c.hosts)
    weighted = [func.sum(rows.c.hosts * rows.c[name]).filter(placed) for name in ("latitude", "longitude")]
    chosen = select(rows.c.country_code, number, number.filter(placed), *weighted).where(rows.c.country_code != "")
    found = {}
    for code, all_hosts, placed_hosts, latitude, longitude in connection.execute(chosen.group_by(rows.c.country_code)):
        some = int(placed_hosts or 0)
        place = (float(latitude) / some, float(longitude) / some) if some else (None, None)
        found[code] = (int(all_hosts), *place)
    return found


def unplaced(connection: Connection) -> int:
    """Return how many hosts are located to a country only, without coordinates."""
    rows, _, _ = _cells(connection)
    return int(connection.execute(select(func.sum(rows.c.hosts)).where(rows.c.y == NO_PLACE)).scalar() or 0)


def _cluster(key: tuple[int, int], parts: list[Any], width: int) -> Cluster:
    number = sum(int(part[3]) for part in parts)
    cities = {each for part in parts for each in part[6:8]}
    by_country = sorted(((part[2], int(part[3])) for part in parts), key=lambda each: (-each[1], each[0]))
    south, west = (each * width / _PER_DEGREE for each in key)
    side = width / _PER_DEGREE
    return Cluster(
        latitude=round(sum(float(part[4]) for part in parts) / number, 4),
        longitude=round(sum(float(part[5]) for part in parts) / number, 4),
        hosts=number,
        countries=by_country[:_COUNTRIES_SHOWN],
        city=cities.pop() or None if len(cities) == 1 else None,
        box=Box(
            south=round(south - 90, 4),
            west=round(west - 180, 4),
            north=round(min(90.0, south - 90 + side), 4),
            east=round(min(180.0, west - 180 + side), 4),
        ),
    )


def _cell(degrees: float, offset: float, most: int) -> int:
    return max(0, min(most - 1, math.floor((degrees + offset) * _PER_DEGREE)))


def _divided(column: Any, width: int) -> Any:
    return column.op("/")(literal(width, BigInteger()))


def _cells(connection: Connection) -> tuple[FromClause, float | None, bool]:
    """Return (rows, counted_at, is_counted): the cells, when they were counted (None: just now), and whether they were."""
    if counts.table_size(connection, hosts) <= COUNTED_AT_ONCE:
        return _counted(connection, select(locations)).subquery(), None, True
    current = cursors.position(connection, _CURSOR)
    rows = select(*(map_cells.c[name] for name in _NAMES)).where(map_cells.c.round == current)
    return rows.subquery(), float(current), current > 0


def _counted(connection: Connection, located: Select[Any]) -> Select[Any]:
    """Return (y, x, country_code, city, hosts, latitude, longitude) of the `located` rows, by cell, country and city."""
    rows = located.where(or_(locations.c.latitude.is_not(None), locations.c.country_code.is_not(None))).subquery()
    is_placed = and_(rows.c.latitude.is_not(None), rows.c.longitude.is_not(None))

    def cell(column: Any, offset: float, most: int) -> Any:
        number = whole(connection, (column + offset) * _PER_DEGREE)
        return case((~is_placed, NO_PLACE), (number >= most, most - 1), else_=number)

    y, x = cell(rows.c.latitude, 90.0, _ROWS), cell(rows.c.longitude, 180.0, COLUMNS)
    code, city = (func.coalesce(rows.c[name], literal("", Text())) for name in ("country_code", "city"))
    means = [func.coalesce(func.avg(rows.c[name]), 0.0).label(name) for name in ("latitude", "longitude")]
    keys = [y.label("y"), x.label("x"), code.label("country_code"), city.label("city")]
    chosen = select(*keys, func.count().label("hosts"), *means)
    return chosen.where(or_(is_placed, rows.c.country_code.is_not(None))).group_by(y, x, code, city)


def _age(database: Database) -> float | None:
    with database.reading() as connection:
        current = cursors.position(connection, _CURSOR)
        return connection.execute(select(database_now())).scalar_one() - current if current else None


def _count_all(database: Database) -> Iterator[None]:
    """Count the hosts of all cells, and yield after each step."""
    sums: Sums = {}
    for after, last in spans(database, locations.c.address, _HOSTS_AT_ONCE):
        chosen = select(locations).where(locations.c.address > after)
        if last is not None:
            chosen = chosen.where(locations.c.address <= last)
        with database.reading() as connection:
            # With the limit, SQLite finds the hosts first; without, it walks through another index.
            found = connection.execute(_counted(connection, chosen.limit(2 * _HOSTS_AT_ONCE))).all()
        for row in found:
            _add(sums, row)
        yield
    yield from _store(database, sums)


def _add(sums: Sums, row: Any) -> None:
    y, x, code, city, number, latitude, longitude = row
    if len(sums) >= _MOST_CELLS and (y, x, code) not in sums:
        # More cells than any real ledger has: these are put together.
        y, x = y // _MOST_ACROSS * _MOST_ACROSS, x // _MOST_ACROSS * _MOST_ACROSS
    before, all_hosts, south, west = sums.get((y, x, code), (city, 0, 0.0, 0.0))
    sums[y, x, code] = (
        city if city == before else "",
        all_hosts + number,
        south + float(latitude) * number,
        west + float(longitude) * number,
    )


def _store(database: Database, sums: Sums) -> Iterator[None]:
    with database.reading() as connection:
        before = cursors.position(connection, _CURSOR)
        now = connection.execute(select(database_now())).scalar_one()
    number = max(before + 1, int(now))
    rows = [
        dict(zip(_NAMES, (*key, city, hosts_, south / hosts_, west / hosts_), strict=True), round=number)
        for key, (city, hosts_, south, west) in sums.items()
    ]
    # A round that was stopped in the middle may have left rows.
    yield from _delete(database, number)
    for start in range(0, len(rows), _CELLS_AT_ONCE):
        database.write(_insert, rows[start : start + _CELLS_AT_ONCE])
        yield
    database.write(_show, number, len(rows))
    yield from _delete(database, number)


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(map_cells), rows)


def _show(connection: Connection, number: int, cells: int) -> None:
    """Show the round `number` if all its `cells` are there: a process that started a later one has deleted what it found."""
    stored = select(func.count()).select_from(map_cells).where(map_cells.c.round == number)
    if connection.execute(stored).scalar_one() == cells:
        cursors.move(connection, _CURSOR, number)


def _delete(database: Database, upto: int) -> Iterator[None]:
    """Delete the rows of all rounds up to one, but of the one that is shown, some at a time."""
    while database.write(_delete_some, upto):
        yield


def _delete_some(connection: Connection, upto: int) -> int:
    shown = cursors.position(connection, _CURSOR)
    others = map_cells.c.round <= upto, map_cells.c.round != shown
    first = connection.execute(select(map_cells.c.round, map_cells.c.y).where(*others).limit(1)).first()
    if first is None:
        return 0
    same = map_cells.c.round == first.round, map_cells.c.y.between(first.y, first.y + _MOST_ACROSS)
    return connection.execute(delete(map_cells).where(*same)).rowcount
