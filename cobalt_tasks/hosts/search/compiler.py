"""From the tree of a query to conditions in SQL, for one sort of row.

A condition on facts of another table is a look-up for each row (`condition`), or the rows that belong to the facts that
match (`candidates`): the first where many rows match, the second where few do. Both find the same rows.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    union,
)

from cobalt_tasks.hosts.search import language
from cobalt_tasks.hosts.search.fields import ALIASES, BY_NAME, FIELDS, WORDS, Field, Home, Place, Searchable
from cobalt_tasks.hosts.search.language import SearchError
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS, linked, links
from cobalt_tasks.hosts.search.values import Context, Test

_TCP: Final[ColumnElement[Any]] = literal_column("'tcp'")
_LONG: Final = frozenset({"banner", "details"})
_JOINED: Final = frozenset({Home.PORT, Home.CERTIFICATE})
"""Homes whose terms mean one row where they stand side by side: a port, a certificate."""


class FactTest(Struct, frozen=True):
    """A row of a home passes all tests.

    `indexed`: an index finds those that do. `any_state`: of ports, closed ones count too, since their state is asked for.
    `keys`: the tests for which an index has the addresses as well, so that no row has to be read for them.
    """

    home: Home
    end: str
    tests: tuple[Test, ...]
    indexed: bool = True
    any_state: bool = False
    keys: tuple[Test, ...] = ()


class AllOf(Struct, frozen=True):
    """All parts hold."""

    parts: tuple["Condition", ...]


class AnyOf(Struct, frozen=True):
    """One of the parts holds."""

    parts: tuple["Condition", ...]


class NoneOf(Struct, frozen=True):
    """The part does not hold."""

    part: "Condition"


Condition = FactTest | AllOf | AnyOf | NoneOf


def resolve(node: language.Node, target: Searchable, context: Context) -> Condition:
    """Return what a query asks of rows.

    Args:
        node: the query.
        target: the sort of rows.
        context: what the meaning of values depends on.

    Raises:
        SearchError: there is no such field, it does not apply, or a value does not fit.

    """
    match node:
        case language.Words(value):
            return _facts(WORDS, WORDS.places[target], "", (value,), context)
        case language.Term():
            return _term(node, target, context)
        case language.Negation(part):
            return NoneOf(resolve(part, target, context))
        case language.Either(parts):
            return AnyOf(tuple(resolve(part, target, context) for part in parts))
        case language.Both(parts):
            return joined(resolve(part, target, context) for part in parts)


def _term(term: language.Term, target: Searchable, context: Context) -> Condition:
    field = BY_NAME.get(ALIASES.get(term.field, term.field))
    if field is None:
        near = difflib.get_close_matches(term.field, BY_NAME, 1)
        hint = f", perhaps {near[0]}" if near else ""
        known = ", ".join(each.name for each in FIELDS)
        raise SearchError(f"there is no field {term.field!r}{hint}; the fields are {known}", term.column)
    if target not in field.places:
        others = " and ".join(each.value for each in field.places)
        raise SearchError(f"{field.name}: is a field of {others}, not of {target.value}", term.column)
    if term.operator and not field.kind.compares:
        raise SearchError(f"{field.name}: has no order, so {term.operator} means nothing", term.values[0].column)
    return _facts(field, field.places[target], term.operator, term.values, context)


def _facts(field: Field, place: Place, operator: str, values: Sequence[language.Value], context: Context) -> FactTest:
    tests = [field.kind.test(place.column, operator, value, context) for value in values]

    def one(row: Any) -> ColumnElement[bool]:
        return or_(*(test(row) for test in tests))

    if field.name == "state":
        of_few = all(value.text.lower() != "open" for value in values)
        return FactTest(place.home, place.end, (one,), indexed=of_few, any_state=True)
    only_tcp = field.name == "protocol" and any(value.text.lower() == "tcp" for value in values)
    if field.name == "protocol" and not only_tcp:
        # Written out, so that the index of the other protocols serves.
        column = place.column
        return FactTest(place.home, place.end, (lambda row: and_(one(row), row[column] != _TCP),))
    return FactTest(place.home, place.end, (one,), indexed=not only_tcp, keys=(one,) if field.has_addresses else ())


def joined(parts: Iterable[Condition]) -> Condition:
    """Return the parts together; facts of one port, or of one certificate, as one."""
    whole: dict[Home, FactTest] = {}
    rest: list[Condition] = []
    for part in parts:
        if not isinstance(part, FactTest) or part.home not in _JOINED:
            rest.append(part)
        elif (before := whole.get(part.home)) is None:
            whole[part.home] = part
        else:
            whole[part.home] = FactTest(
                part.home,
                part.end,
                (*before.tests, *part.tests),
                indexed=before.indexed or part.indexed,
                any_state=before.any_state or part.any_state,
                keys=(*before.keys, *part.keys),
            )
    together = (*whole.values(), *rest)
    return together[0] if len(together) == 1 else AllOf(together)


# As SQL ------------------------------------------------------------------------------------------------------------


def condition(asked: Condition, found: FromClause, target: Searchable, *, joins: bool = False) -> ColumnElement[bool]:
    """Return the condition that a searched row must meet, with a look-up for each fact of another home.

    Args:
        asked: what is asked.
        found: the searched rows.
        target: what they are.
        joins: let the planner turn look-ups into joins: where all rows are wanted, not the first ones of an order.

    """
    match asked:
        case AllOf(parts):
            return and_(*(condition(part, found, target, joins=joins) for part in parts))
        case AnyOf(parts):
            return or_(*(condition(part, found, target, joins=joins) for part in parts))
        case NoneOf(FactTest() as part) if joins and part.home is not TARGETS[target].home:
            return not_(or_(*_look_ups(part, found, target, joins=True)))
        case NoneOf(part):
            # Unknown is not so: a port without a service does not run http.
            return case((condition(part, found, target, joins=joins), 0), else_=1) == 1
        case FactTest():
            if asked.home is TARGETS[target].home:
                return and_(*(test(found.c) for test in asked.tests))
            return or_(*_look_ups(asked, found, target, joins=joins))


def _look_ups(asked: FactTest, found: FromClause, target: Searchable, *, joins: bool) -> Iterable[ColumnElement[bool]]:
    for link in links(target, asked.home, asked.end):
        row = HOMES[asked.home]()
        columns: Any = row.c
        if asked.home is Home.TEXT and not joins:
            # One text is read for each row; for the column itself PostgreSQL would ask the index of all words each time.
            columns = {**dict(row.c.items()), "body": row.c.body.op("||")(literal_column("''"))}
        tests = [test(columns) for test in asked.tests]
        one = select(literal(1)).select_from(row).where(linked(row, found, link), *tests).correlate(found)
        # Not EXISTS where the first rows are wanted: a planner may turn it into a join of whole tables.
        yield one.exists() if joins else func.coalesce(one.limit(1).scalar_subquery(), 0) == 1


def candidates(asked: Condition, target: Searchable, *, is_sqlite: bool) -> Select[Any] | None:
    """Return a select of the searched rows (the columns of their order) that meet a condition, found by indexes.

    Args:
        asked: what is asked; of several parts that must hold, the first that an index finds is followed.
        target: what is searched.
        is_sqlite: which planner has to be led.

    Returns:
        None where no index finds them.

    """
    match asked:
        case NoneOf():
            return None
        case AllOf(parts):
            return next(
                (
                    found
                    for part in parts
                    if (found := _with_rest(part, parts, target, is_sqlite=is_sqlite)) is not None
                ),
                None,
            )
        case AnyOf(parts):
            each = [candidates(part, target, is_sqlite=is_sqlite) for part in parts]
            chosen = [one for one in each if one is not None]
            return None if len(chosen) < len(each) else _united(chosen)
        case FactTest():
            return _of_facts(asked, target, (), is_sqlite=is_sqlite) if asked.indexed else None


def _with_rest(
    part: Condition, parts: Sequence[Condition], target: Searchable, *, is_sqlite: bool
) -> Select[Any] | None:
    """Return the candidates of one part that meet all the other parts."""
    rest = [each for each in parts if each is not part]
    if isinstance(part, FactTest):
        return _of_facts(part, target, rest, is_sqlite=is_sqlite) if part.indexed else None
    base = candidates(part, target, is_sqlite=is_sqlite)
    if base is None:
        return None
    some = base.subquery()
    found = HOMES[TARGETS[target].home]()
    same = and_(*(found.c[name] == some.c[name] for name in TARGETS[target].key))
    return (
        _ordered(found, target)
        .select_from(some.join(found, same))
        .where(*(condition(each, found, target) for each in rest))
    )


def _of_facts(asked: FactTest, target: Searchable, rest: Sequence[Condition], *, is_sqlite: bool) -> Select[Any]:
    home = TARGETS[target].home
    if asked.home is home:
        found = HOMES[home]()
        others = [condition(each, found, target, joins=not is_sqlite) for each in rest]
        return _ordered(found, target).where(*(test(found.c) for test in asked.tests), *others)
    if not is_sqlite:
        return _joined_first(asked, target, rest)
    selects = []
    for link in links(target, asked.home, asked.end):
        row, found = HOMES[asked.home](), HOMES[home]()
        joined = row.join(found, linked(row, found, link, outer=True))
        others = [condition(each, found, target) for each in rest]
        tests = (test(row.c) for test in asked.tests)
        selects.append(_ordered(found, target).distinct().select_from(joined).where(*tests, *others))
    return _united(selects)


def _joined_first(asked: FactTest, target: Searchable, rest: Sequence[Condition]) -> Select[Any]:
    """Return the rows that belong to some facts, and among them those that meet the rest: PostgreSQL's planner would
    rather look the rest up for every row of the table.
    """
    selects = []
    for link in links(target, asked.home, asked.end):
        row, found = HOMES[asked.home](), HOMES[TARGETS[target].home]()
        fits = (
            select(literal(1)).select_from(row).where(linked(row, found, link), *(test(row.c) for test in asked.tests))
        )
        selects.append(select(*_narrow(found)).where(fits.correlate(found).exists()))
    some = selects[0] if len(selects) == 1 else union(*selects).subquery().select()
    if not rest:
        return _ordered(some.subquery(), target)
    gathered = some.cte().prefix_with("MATERIALIZED")
    return _ordered(gathered, target).where(*(condition(each, gathered, target, joins=True) for each in rest))


def _narrow(found: FromClause) -> list[Any]:
    """Return the columns of a row without long texts."""
    return [column for column in found.c if column.name not in _LONG]


def _ordered(found: FromClause, target: Searchable) -> Select[Any]:
    return select(*(found.c[name] for name in (*TARGETS[target].order, *TARGETS[target].carried)))


def _united(selects: Sequence[Select[Any]]) -> Select[Any]:
    if len(selects) == 1:
        return selects[0]
    united = union(*selects).subquery()
    return select(*united.c)
