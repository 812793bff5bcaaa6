"""Which changes a rule is about: its kinds, and its query over the port that changed, or the host."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, Connection, Text, and_, case, select

from cobalt_tasks.alerts.config import Alerting, Rule
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.bulk import encode, rows_of
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import compiler, find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.hosts.search.language import SearchError
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS

Row = Mapping[str, Any]

_KEYS: Final = {
    Searchable.PORTS: ("address", "protocol", "port"),
    Searchable.HOSTS: ("address",),
}


class ReadRule(Struct, frozen=True, kw_only=True):
    """A rule with its query read, for each sort of row that a change may be about; empty where all match."""

    rule: Rule
    searches: Mapping[Searchable, Search]


def read(database: Database, alerting: Alerting, home: Path) -> list[ReadRule]:
    """Return the rules with their queries read.

    database: the ledger; alerting: from alerts.toml; home: the folder of networks.toml.

    Raises:
        ConfigurationError: a query cannot be used; the message names the rule and the column.

    """
    found = []
    for rule in alerting.rules:
        try:
            searches = {target: find.read(database, rule.query, target, home) for target in _KEYS} if rule.query else {}
        except SearchError as error:
            raise ConfigurationError(f"{home / 'alerts.toml'}: rule {rule.name!r}: query: {error}") from None
        found.append(ReadRule(rule=rule, searches=searches))
    return found


def matching(connection: Connection, rule: ReadRule, rows: Sequence[Row]) -> list[Row]:
    """Return those of some changes that a rule is about.

    connection: from the evaluation's transaction; rule: with its query read; rows: changes.
    """
    chosen = [row for row in rows if not rule.rule.kinds or row["kind"] in rule.rule.kinds]
    if not rule.searches or not chosen:
        return chosen
    fits: dict[Searchable, set[tuple[Any, ...]]] = {}
    for target, names in _KEYS.items():
        keys = {tuple(row[name] for name in names) for row in chosen if _target(row) is target}
        fits[target] = _fitting(connection, rule.searches[target], sorted(keys)) if keys else set()
    return [row for row in chosen if tuple(row[name] for name in _KEYS[_target(row)]) in fits[_target(row)]]


def _target(row: Row) -> Searchable:
    return Searchable.PORTS if row["protocol"] else Searchable.HOSTS


def _fitting(connection: Connection, search: Search, keys: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Return those of some ports or hosts that a search matches."""
    names = _KEYS[search.target]
    if search.asked is None:
        return set(keys)
    wanted = rows_of(connection, "wanted", {name: BigInteger() if name == "port" else Text() for name in names})
    found = HOMES[TARGETS[search.target].home]()
    same = and_(*(found.c[name] == wanted.c[name] for name in names))
    # Wrapped, so that no planner starts from the index of a term instead of the keys.
    asked = case((compiler.condition(search.asked, found, search.target), 1), else_=0) == 1
    chosen = select(*(found.c[name] for name in names)).join_from(wanted, found, same).where(asked)
    return {tuple(row) for row in connection.execute(chosen, encode(keys))}
