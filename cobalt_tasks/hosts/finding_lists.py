"""Findings over all hosts: how many hosts each rule matched on, and the hosts with what was found on each."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, func, select

from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.tables import findings
from cobalt_tasks.hosts import notes
from cobalt_tasks.hosts.search import facets
from cobalt_tasks.hosts.search.find import Search

Row = dict[str, Any]

_SHOWN: Final = 20
"""Findings of one host in a list; its own list has all of them."""

_COLUMNS: Final = ("address", "rule", "subject", "points", "source", "observed_at", "detail")


class RuleCount(Struct, frozen=True, kw_only=True):
    """A rule, the points of one of its findings, and the number of hosts that it matched on."""

    rule: str
    points: float
    hosts: int


class RuleCounts(Struct, frozen=True, kw_only=True):
    """The rules that found something, those with the most points first. Not `exact`: on at least so many hosts."""

    items: Sequence[RuleCount]
    exact: bool


def by_rule(connection: Connection, search: Search) -> RuleCounts:
    """Return how many of the hosts that a `search` finds each rule matched on."""
    found = facets.facets(connection, search, facets.fields(["finding"], search.target))
    counted = [
        RuleCount(rule=each.value, points=_points(connection, each.value), hosts=each.count)
        for each in found.facets["finding"]
    ]
    return RuleCounts(items=sorted(counted, key=lambda each: (-each.points, -each.hosts)), exact=found.total.exact)


def _points(connection: Connection, rule: str) -> float:
    chosen = select(findings.c.points).where(findings.c.rule == rule).limit(1)
    return float(connection.execute(chosen).scalar() or 0.0)


def of_hosts(connection: Connection, addresses: Sequence[str], rule: str | None = None) -> dict[str, list[Row]]:
    """Return the findings of each host that has any, those with the most points first, at most 20 of each.

    Args:
        connection: to the ledger.
        addresses: the hosts.
        rule: only those of this rule; None: of all.

    """
    rank = func.row_number().over(
        partition_by=findings.c.address, order_by=(findings.c.points.desc(), findings.c.rule, findings.c.subject)
    )
    chosen = select(*(findings.c[name] for name in _COLUMNS), rank.label("rank"))
    chosen = chosen.where(one_of(connection, findings.c.address, addresses))
    if rule is not None:
        chosen = chosen.where(findings.c.rule == rule)
    ranked = chosen.subquery()
    columns = [ranked.c[name] for name in _COLUMNS]
    rows = connection.execute(select(*columns).where(ranked.c.rank <= _SHOWN).order_by(ranked.c.address, ranked.c.rank))
    known = notes.of_findings(connection, addresses)
    found: dict[str, list[Row]] = {}
    for row in rows.mappings():
        note = notes.accepting(known, row["address"], row["rule"], row["subject"])
        found.setdefault(row["address"], []).append({**row, "accepted": notes.brief(note)})
    return found
