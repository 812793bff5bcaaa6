"""From changes to messages: each change is looked at once, in the transaction that writes what it leads to."""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from cobalt_tasks.alerts import config, of_findings, outbox, rules
from cobalt_tasks.alerts.config import Alerting, ExpectedScan
from cobalt_tasks.alerts.message import of_change
from cobalt_tasks.alerts.outbox import Addressed, Item
from cobalt_tasks.alerts.quiet import QuietHours, in_words
from cobalt_tasks.alerts.rules import ReadRule
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db import clocks, cursors
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import changes as change_table
from cobalt_tasks.db.tables import cursors as cursor_table
from cobalt_tasks.db.tables import sources
from cobalt_tasks.hosts import changes, notes
from cobalt_tasks.threat.rules import RULE_NAMES

CURSOR: Final = "alerts"
_AT_ONCE: Final = 500
_SECONDS: Final = 2.0
_PREVIEWED: Final = 10_000
_SHOWN: Final = 3
_ITEM: Final = ("id", "kind", "address", "protocol", "port", "old", "new", "observed_at", "recorded_at")


def evaluate(database: Database, home: Path) -> int:
    """Write the messages that new changes and findings lead to, for about two seconds; return how many were looked at.

    Without alerts.toml, what changes is passed over: a file that is written later is about later changes.

    Args:
        database: the ledger.
        home: the folder of alerts.toml.

    Raises:
        ConfigurationError: alerts.toml cannot be used; nothing is passed over.

    """
    alerting = config.load(home)
    if alerting is None:
        database.write(_pass_over)
        return 0
    read = rules.read(database, alerting, home)
    database.write(_start, alerting.written_at)
    deadline, total = time.monotonic() + _SECONDS, 0
    while (count := database.write(_next, read)) == _AT_ONCE and time.monotonic() < deadline:
        total += count
    while (found := database.write(_next_findings, read)) and time.monotonic() < deadline:
        total += found
    _expect(database, alerting)
    database.write(outbox.prune)
    return total + count


def preview(database: Database, home: Path, since: float) -> dict[str, tuple[int, list[str]]]:
    """Return what each rule matches of the changes and findings since a time: how many, and the newest three in words.

    Args:
        database: the ledger.
        home: the folder of alerts.toml.
        since: epoch seconds; of more than 10,000 changes, the newest are looked at.

    Raises:
        ConfigurationError: alerts.toml cannot be used.

    """
    alerting = config.load(home)
    found: dict[str, tuple[int, list[str]]] = {}
    with database.reading() as connection:
        rows = changes.page(connection, _PREVIEWED, since=since)
        for each in rules.read(database, alerting, home) if alerting else ():
            matched = rules.matching(connection, each, rows)
            texts = [of_change(row) for row in matched]
            if each.rule.findings:
                names = RULE_NAMES if config.ALL_RULES in each.rule.findings else sorted(each.rule.findings)
                seen = of_findings.latest(connection, names, since, _PREVIEWED)
                texts += [item["text"] for item in of_findings.matching(connection, each, seen)]
            found[each.rule.name] = (len(texts), texts[:_SHOWN])
    return found


def _pass_over(connection: Connection) -> None:
    newest = connection.execute(select(func.max(change_table.c.id))).scalar() or 0
    of_findings.clear(connection)
    if cursors.position(connection, CURSOR) != newest:
        cursors.move(connection, CURSOR, newest)


def _start(connection: Connection, written_at: float) -> None:
    """Where rules are evaluated for the first time, let them start with what was recorded since the file was written."""
    if connection.execute(select(cursor_table.c.position).where(cursor_table.c.name == CURSOR)).first() is None:
        later = select(func.min(change_table.c.id)).where(change_table.c.recorded_at >= written_at)
        first = connection.execute(later).scalar()
        newest = connection.execute(select(func.max(change_table.c.id))).scalar() or 0
        cursors.move(connection, CURSOR, newest if first is None else first - 1)


def _next(connection: Connection, read: Sequence[ReadRule]) -> int:
    """Evaluate the next changes, and return how many: each once, whichever process comes first."""
    before = cursors.position(connection, CURSOR)
    rows = changes.page(connection, _AT_ONCE, after=before)
    if not rows:
        return 0
    own = cursor_table.c.name == CURSOR, cursor_table.c.position == before
    moved = connection.execute(update(cursor_table).where(*own).values(position=rows[-1]["id"]))
    if not moved.rowcount:
        # Another process has looked at them meanwhile.
        return 0
    now = time.time()
    accepted = notes.accepted_changes(connection, rows)
    rest = [row for row in rows if row["id"] not in accepted]
    for each in read:
        if found := rules.matching(connection, each, rest):
            _write(connection, each, [_item(row) for row in found], now)
    return len(rows)


def _next_findings(connection: Connection, read: Sequence[ReadRule]) -> int:
    """Evaluate the next new findings, and return how many entries of the queue these were."""
    if not any(each.rule.findings for each in read):
        of_findings.clear(connection)
        return 0
    count, items = of_findings.next_items(connection, _AT_ONCE)
    for each in read:
        if items and (matched := of_findings.matching(connection, each, items)):
            _write(connection, each, matched, time.time())
    return count


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": of_change(row), **{name: row[name] for name in _ITEM}}


def _write(connection: Connection, read: ReadRule, items: Sequence[Item], now: float) -> None:
    rule = read.rule
    for receiver in rule.send_to:
        to = Addressed(
            rule=rule.name,
            receiver=receiver,
            severity=rule.severity,
            delay=_end(rule.quiet, now + rule.group) - now,
            lines=rule.lines,
        )
        outbox.add(connection, to, items)


def _end(quiet: QuietHours | None, moment: float) -> float:
    return moment if quiet is None else quiet.end_after(moment)


# Expected scans --------------------------------------------------------------------------------------------------------


def _expect(database: Database, alerting: Alerting) -> None:
    """Write a message for each expected scan that did not arrive, once until it does."""
    if not alerting.expected:
        return
    with database.reading() as connection:
        late = [found for each in alerting.expected if (found := _late(connection, each, alerting.written_at))]
    # A clock that was stepped of late makes everything look late.
    if late and database.write(clocks.observe).is_trusted:
        for expected, since, ever in late:
            database.write(_miss, expected, since, ever)


def _late(connection: Connection, expected: ExpectedScan, written_at: float) -> tuple[ExpectedScan, float, bool] | None:
    """Return (expected, since, ever) of a scan that is late: when it last came, or when it was first expected."""
    pattern = expected.source.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    like = sources.c.name.like(f"%{pattern}", escape="\\")
    named = select(sources.c.name, func.max(sources.c.updated_at)).where(like).group_by(sources.c.name)
    last = max((at for name, at in connection.execute(named) if _is_named(name, expected.source)), default=None)
    since = max(last or 0.0, written_at)
    return (expected, last or written_at, last is not None) if time.time() - since > expected.every else None


def _is_named(name: str, pattern: str) -> bool:
    """Return whether a source is meant: a file's `name` is its whole path, of which a `pattern` may be the last part alone."""
    form = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    return bool(form.fullmatch(name) or ("/" not in pattern and form.fullmatch(name.rpartition("/")[2])))


def _miss(connection: Connection, expected: ExpectedScan, since: float, ever: bool) -> None:  # noqa: FBT001
    text = f"nothing came from {expected.source} " + (
        f"since {in_words(since)}" if ever else f"since it is expected, {in_words(since)}"
    )
    item = {"text": f"{text}; expected every {expected.every / DAY:g} d", "source": expected.source, "since": since}
    for receiver in expected.send_to:
        digest = hashlib.sha256(f"{expected.name}\0{receiver}\0{since}".encode()).hexdigest()[:32]
        now = time.time()
        delay = _end(expected.quiet, now) - now
        to = Addressed(
            rule=expected.name, receiver=receiver, severity=expected.severity, delay=delay, lines=1, key=digest
        )
        outbox.add(connection, to, [item])
