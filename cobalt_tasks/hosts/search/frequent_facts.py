"""Hosts of which several facts are asked that are frequent each: first the addresses that all of them have, from indexes
alone, then what else is asked of those few. Facts that never meet cost a comparison of two indexes, and read no row.
"""

from typing import Any

from sqlalchemy import Select, select, true

from cobalt_tasks.db.tables import hosts
from cobalt_tasks.hosts.search.compiler import AllOf, Condition, FactTest, condition
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS


def meeting(asked: Condition, target: Searchable, *, is_sqlite: bool) -> Select[Any] | None:
    """Return a select of the keys of hosts that meet a condition.

    Args:
        asked: the condition.
        target: what is searched.
        is_sqlite: which planner has to be led.

    Returns:
        None where less than two parts of the condition are found in indexes that have the addresses.

    """
    if target is not Searchable.HOSTS or not isinstance(asked, AllOf):
        return None
    addresses = [_addresses(part) for part in asked.parts if isinstance(part, FactTest) and part.keys]
    if len(addresses) <= 1:
        return None
    first, *others = addresses
    address = first.selected_columns[0]
    met = first.where(*(address.in_(other) for other in others)).distinct().cte("met").prefix_with("MATERIALIZED")
    chosen = select(hosts).where(hosts.c.address == met.c.address)
    # One look-up for each: a planner that expects many would read all hosts.
    found: Any = hosts.alias() if is_sqlite else chosen.limit(1).lateral()
    same = found.c.address == met.c.address if is_sqlite else true()
    keys = select(*(found.c[name] for name in TARGETS[target].order)).select_from(met.join(found, same))
    return keys.where(*(condition(part, found, target) for part in asked.parts))


def _addresses(part: FactTest) -> Select[Any]:
    row = HOMES[part.home]()
    return select(row.c.address).where(*(test(row.c) for test in part.keys))
