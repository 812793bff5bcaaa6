"""Leaves out of a search what is closed: ports, and the words and certificates that only a closed port shows."""

from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, and_, func, literal, select

from cobalt_tasks.db.tables import ports
from cobalt_tasks.hosts.search.compiler import AllOf, AnyOf, Condition, FactTest, NoneOf, joined
from cobalt_tasks.hosts.search.fields import Home, Searchable
from cobalt_tasks.hosts.search.rows import TARGETS
from cobalt_tasks.hosts.search.values import Test

_SHOWN_BY_PORTS: Final = frozenset({Home.TEXT, Home.CERTIFICATE})


def is_not_closed(row: Any) -> ColumnElement[bool]:
    """Return the condition that a port, the `row`, is not closed."""
    return row["closed_since"].is_(None)  # type: ignore[no-any-return]


def is_of_no_closed_port(row: Any) -> ColumnElement[bool]:
    """Return the condition that the port of a text or a certificate, the `row`, is not closed."""
    same = and_(*(ports.c[name] == row[name] for name in ("address", "protocol", "port")))
    closed = select(literal(1)).where(same, ports.c.closed_since.is_not(None)).limit(1).correlate(row["port"].table)
    # Not EXISTS: a planner may turn it into a join with all ports.
    return func.coalesce(closed.scalar_subquery(), 0) == 0


TESTS: Final[frozenset[Test]] = frozenset({is_not_closed, is_of_no_closed_port})
"""The tests that leave out what is closed: no index finds rows by them."""


def without_closed(asked: Condition | None, target: Searchable) -> Condition | None:
    """Return a condition that closed ports do not meet, unless it asks for the state of ports.

    Args:
        asked: what is asked of rows; None: everything.
        target: the sort of rows.

    """
    if target is not Searchable.PORTS:
        # The certificates that are searched for themselves are listed wherever they were seen.
        homes = frozenset() if asks_for_state(asked) else _SHOWN_BY_PORTS - {TARGETS[target].home}
        return None if asked is None else _open_facts(asked, homes)
    rest = FactTest(Home.PORT, "", (is_not_closed,), indexed=False)
    if asked is None:
        return rest
    return (
        asked
        if asks_for_state(asked)
        else joined((asked, rest) if not isinstance(asked, AllOf) else (*asked.parts, rest))
    )


def asks_for_state(asked: Condition | None) -> bool:
    """Return whether a part of what is `asked` is the state of a port."""
    match asked:
        case None:
            return False
        case FactTest():
            return asked.any_state
        case NoneOf(part):
            return asks_for_state(part)
        case AllOf(parts) | AnyOf(parts):
            return any(map(asks_for_state, parts))


def _open_facts(asked: Condition, homes: frozenset[Home]) -> Condition:
    """Return `asked` of open ports only; `homes`: those of the other facts that a closed port does not show."""
    match asked:
        case FactTest() if asked.home is Home.PORT and not asked.any_state:
            return msgspec.structs.replace(asked, tests=(*asked.tests, is_not_closed))
        case FactTest() if asked.home in homes:
            return msgspec.structs.replace(asked, tests=(*asked.tests, is_of_no_closed_port))
        case FactTest():
            return asked
        case NoneOf(part):
            return NoneOf(_open_facts(part, homes))
        case AnyOf(parts):
            return AnyOf(tuple(_open_facts(part, homes) for part in parts))
        case AllOf(parts):
            return AllOf(tuple(_open_facts(part, homes) for part in parts))
