"""Findings as alerts are about them: those that are new wait in a queue, and leave it in the transaction that looks at them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select

from cobalt_tasks.alerts.config import ALL_RULES
from cobalt_tasks.alerts.rules import ReadRule
from cobalt_tasks.db.tables import findings as table
from cobalt_tasks.db.tables import new_findings
from cobalt_tasks.hosts import notes
from cobalt_tasks.hosts.search import of_changes
from cobalt_tasks.threat import store
from cobalt_tasks.threat.findings import Finding

KIND: Final = "finding"
"""What items of messages have in the place of a kind of change."""

_CLEARED_AT_ONCE: Final = 50_000
"""Entries that leave the queue in one transaction: after the rules have changed, it holds some for each host."""

Item = dict[str, Any]


def next_items(connection: Connection, most: int) -> tuple[int, list[Item]]:
    """Remove the first entries of the queue; return how many, and those findings that still hold and that no note accepts.

    connection: a transaction that writes; most: entries at most.
    """
    first = select(new_findings.c.id).order_by(new_findings.c.id).limit(most)
    removed = delete(new_findings).where(new_findings.c.id.in_(first.scalar_subquery()))
    key = (new_findings.c.address, new_findings.c.rule, new_findings.c.subject)
    taken = [tuple(row) for row in connection.execute(removed.returning(*key))]
    addresses = sorted({address for address, _, _ in taken})
    known = store.stored(connection, addresses) if addresses else {}
    holding = [known[each].finding for each in sorted(set(taken)) if each in known]
    return len(taken), _without_accepted(connection, holding)


def latest(connection: Connection, of: Sequence[str], since: float, most: int) -> list[Item]:
    """Return findings that were seen since a time, the newest first.

    connection: to the ledger; of: names of rules; since: epoch seconds; most: findings at most.
    """
    columns = [table.c[name] for name in Finding.__struct_fields__]
    chosen = select(*columns).where(table.c.rule.in_(of), table.c.observed_at >= since)
    rows = connection.execute(chosen.order_by(table.c.observed_at.desc()).limit(most)).mappings()
    return _without_accepted(connection, [Finding(**row) for row in rows])


def clear(connection: Connection) -> None:
    """Remove what waits in the queue, some at most: there are no rules."""
    first = connection.execute(select(func.min(new_findings.c.id))).scalar()
    if first is not None:
        connection.execute(delete(new_findings).where(new_findings.c.id < first + _CLEARED_AT_ONCE))


def matching(connection: Connection, rule: ReadRule, items: Sequence[Item]) -> list[Item]:
    """Return those of some findings that a rule is about.

    connection: from the evaluation's transaction; rule: with its query read; items: from `next_items` or `latest`.
    """
    wanted = rule.rule.findings
    chosen = [each for each in items if ALL_RULES in wanted or each["new"] in wanted]
    return of_changes.matching(connection, rule.searches, chosen)


def _without_accepted(connection: Connection, found: Sequence[Finding]) -> list[Item]:
    accepted = notes.of_findings(connection, sorted({each.address for each in found})) if found else []
    return [_item(each) for each in found if not notes.accepting(accepted, each.address, each.rule, each.subject)]


def _item(found: Finding) -> Item:
    protocol, _, port = found.subject.partition("/")
    is_port = port.isdecimal() and " " not in protocol
    text = f"{found.address}: {found.detail} ({found.rule}, {found.points:g} points)"
    where: Mapping[str, Any] = {"protocol": protocol, "port": int(port)} if is_port else {"protocol": "", "port": 0}
    times = {"observed_at": found.observed_at, "recorded_at": found.observed_at}
    return {
        "text": text,
        "id": None,
        "kind": KIND,
        "address": found.address,
        **where,
        "old": None,
        "new": found.rule,
        **times,
    }
