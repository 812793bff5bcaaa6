"""How many rows match, and how they are spread over the values of fields: exact up to 50,000 matches."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    select,
    true,
    union_all,
)

from cobalt_tasks.hosts.search import facets_of_all
from cobalt_tasks.hosts.search.closed_ports import is_not_closed, is_of_no_closed_port
from cobalt_tasks.hosts.search.fields import ALIASES, BY_NAME, FIELDS, Field, Home, Searchable
from cobalt_tasks.hosts.search.find import Search, matching
from cobalt_tasks.hosts.search.language import SearchError
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS, holder, linked, links

EXACT: Final = 50_000
"""Matches up to which counts are exact; beyond it they are those of this many matches, and mean "at least"."""

_VALUES: Final = 20


class Count(Struct, frozen=True, kw_only=True):
    """How many rows match; not `exact`: at least so many."""

    count: int
    exact: bool


class FacetValue(Struct, frozen=True, kw_only=True):
    """One value of a field, and how many rows have it."""

    value: str
    count: int


class Facets(Struct, frozen=True, kw_only=True):
    """The most frequent values of each field, and the rows that match.

    `counted_at`: when the upkeep counted all of it (epoch seconds); None: now.
    """

    total: Count
    facets: dict[str, list[FacetValue]]
    counted_at: float | None = None


def fields(names: Sequence[str], target: Searchable) -> list[Field]:
    """Return the fields for a list of `names`; `target` is the sort of rows.

    Raises:
        SearchError: a field is unknown, has no facet, or is none of the target's; the column is its place in the list.

    """
    found = []
    for place, name in enumerate(names, 1):
        field = BY_NAME.get(ALIASES.get(name.lower(), name.lower()))
        if field is None or not field.facet or target not in field.places:
            known = ", ".join(each.name for each in FIELDS if each.facet and target in each.places)
            raise SearchError(f"there are no facets of {name!r} for {target.value}; there are {known}", place)
        found.append(field)
    return found


def count(connection: Connection, search: Search) -> Count:
    """Count the rows that match `search`, exactly up to 50,000."""
    few = matching(connection, search).limit(EXACT + 1).subquery()
    found = connection.execute(select(func.count()).select_from(few)).scalar_one()
    return Count(count=min(found, EXACT), exact=found <= EXACT)


def facets(connection: Connection, search: Search, wanted: Sequence[Field]) -> Facets:
    """Count the rows that match `search`, in all and for the most frequent values of the `wanted` fields.

    Of everything, they are the counts that the upkeep made within the last minutes.
    """
    kept = (
        facets_of_all.find(connection, search.target, [each.name for each in wanted]) if search.is_everything else None
    )
    if kept is not None:
        number_of_rows, values, counted_at = kept
        return Facets(
            counted_at=counted_at,
            total=Count(count=number_of_rows, exact=True),
            facets={
                name: [FacetValue(value=value, count=number) for value, number in _most_frequent(each)]
                for name, each in values.items()
            },
        )
    matches = matching(connection, search).limit(EXACT + 1).cte("matches").prefix_with("MATERIALIZED")
    total = select(literal("", Text()).label("field"), literal("", Text()).label("value"), func.count().label("number"))
    counted = (_counted(field, rows) for field, rows in _by_home(wanted, search, matches))
    parts = [total.select_from(matches), *counted]
    found: dict[str, list[FacetValue]] = {field.name: [] for field in wanted}
    rows = connection.execute(union_all(*parts)).all()
    for row in sorted(rows, key=lambda row: (-row.number, row.value)):
        if row.field:
            found[row.field].append(FacetValue(value=row.value, count=row.number))
    every = next(row.number for row in rows if not row.field)
    total_count = Count(count=min(every, EXACT), exact=every <= EXACT)
    return Facets(total=total_count, facets={name: each[:_VALUES] for name, each in found.items()})


def _most_frequent(values: Sequence[tuple[str, int]]) -> Sequence[tuple[str, int]]:
    return sorted(values, key=lambda each: (-each[1], each[0]))[:_VALUES]


def _by_home(fields: Sequence[Field], search: Search, matches: FromClause) -> Iterator[tuple[Field, FromClause]]:
    """Yield each field with the rows that have its values, labelled by its name: of one home, all fields are read at once."""
    homes: dict[tuple[Home, str], list[Field]] = {}
    for field in fields:
        place = field.places[search.target]
        homes.setdefault((place.home, place.end), []).append(field)
    for number, ((home, end), some) in enumerate(homes.items()):
        rows = _rows_of(home, end, some, search, matches).cte(f"facts_{number}").prefix_with("MATERIALIZED")
        yield from ((field, rows) for field in some)


def _rows_of(home: Home, end: str, fields: Sequence[Field], search: Search, matches: FromClause) -> Select[Any]:
    """Return the facts of a home that belong to the matches: the value of each field, and the key of the match if it may have many.

    Args:
        home: where the facts are kept.
        end: of connections, the end whose host is meant.
        fields: the fields, all of that home.
        search: what was searched for.
        matches: the rows that match.

    """
    searched, target = TARGETS[search.target], search.target
    columns = {field.name: field.places[target].column for field in fields}
    if all(column in matches.c for column in columns.values()) and home is searched.home:
        return select(*(matches.c[column].label(name) for name, column in columns.items()))
    found = HOMES[searched.home]()
    same = and_(*(found.c[name] == matches.c[name] for name in searched.key))
    row = found if home is searched.home else HOMES[home]()
    if home is searched.home:
        joined = matches.join(row, same)
    elif set((link := links(target, home, end)[0]).values()) <= set(searched.order):
        joined = matches.join(row, linked(row, matches, link))
    else:
        joined = matches.join(found, same).join(row, linked(row, found, link))
    kept = row
    if elsewhere := [field for field in fields if columns[field.name] not in row.c]:
        kept = holder(elsewhere[0].places[target])
        joined = joined.join(kept, kept.c.fingerprint == row.c.fingerprint)
    values = [(row if column in row.c else kept).c[column].label(name) for name, column in columns.items()]
    who = [matches.c[name].label(f"key_{name}") for name in searched.key] if _has_many(target, home) else []
    return select(*who, *values).select_from(joined).where(_is_shown(home, row, search))


def _has_many(target: Searchable, home: Home) -> bool:
    """Return whether one row of a `target` may have several facts of a `home`: ports, findings or certificates."""
    return home is not TARGETS[target].home and (target is Searchable.HOSTS or home in {Home.FINDING, Home.CERTIFICATE})


def _is_shown(home: Home, row: FromClause, search: Search) -> ColumnElement[bool]:
    """Return the condition that a fact counts: no closed port shows it, unless the search asks for the state of ports.

    Args:
        home: where the facts are kept.
        row: the facts.
        search: what was searched for.

    """
    if search.any_state or home is TARGETS[search.target].home:
        return true()
    if home is Home.PORT:
        return is_not_closed(row.c)
    return is_of_no_closed_port(row.c) if home is Home.CERTIFICATE else true()


def _counted(field: Field, rows: FromClause) -> Select[Any]:
    """Return (field, value, number) for the most frequent values of a field; `rows`: the facts, from `_by_home`."""
    value = rows.c[field.name]
    if who := [column for column in rows.c if column.name.startswith("key_")]:
        # A host may have several ports with one value, a port several findings of one rule; it counts once.
        rows = select(value, *who).where(value.is_not(None)).distinct().subquery()
        value = rows.c[field.name]
    number = func.count()
    counted = (
        select(literal(field.name, Text()).label("field"), cast(value, Text).label("value"), number.label("number"))
        .select_from(rows)
        .where(value.is_not(None))
        .group_by(value)
        .order_by(number.desc())
        .limit(_VALUES)
        .subquery()
    )
    return select(counted.c.field, counted.c.value, counted.c.number)
