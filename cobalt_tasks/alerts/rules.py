"""Which changes a rule is about: its kinds, and its query over the port that changed, or the host."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection

from cobalt_tasks.alerts.config import FILE, Alerting, ChangeRule
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import of_changes
from cobalt_tasks.hosts.search.language import SearchError
from cobalt_tasks.hosts.search.of_changes import Searches

Row = Mapping[str, Any]


class ReadRule(Struct, frozen=True, kw_only=True):
    """A rule with its query read, for each sort of row that a change may be about; empty where all match."""

    rule: ChangeRule
    searches: Searches


def read(database: Database, alerting: Alerting, home: Path) -> list[ReadRule]:
    """Return the rules with their queries read.

    database: the ledger; alerting: from alerts.toml; home: the folder of networks.toml.

    Raises:
        ConfigurationError: a query cannot be used; the message names the rule and the column.

    """
    found = []
    for rule in alerting.rules:
        try:
            searches = of_changes.read(database, rule.query, home)
        except SearchError as error:
            raise ConfigurationError(f"{home / FILE}: rule {rule.name!r}: query: {error}") from None
        found.append(ReadRule(rule=rule, searches=searches))
    return found


def matching(connection: Connection, rule: ReadRule, rows: Sequence[Row]) -> list[Row]:
    """Return those of some changes that a rule is about.

    connection: from the evaluation's transaction; rule: with its query read; rows: changes.
    """
    chosen = [row for row in rows if rule.rule.kinds is None or row["kind"] in rule.rule.kinds]
    return of_changes.matching(connection, rule.searches, chosen)
