"""Messages on their way: each is a row before it is sent, and is sent by one process at a time.

A message that a sender claimed and did not finish is claimed again once its claim has stood still for a minute by another
sender's monotonic clock: steps of the time of day neither repeat nor delay it.
"""

import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, delete, func, insert, null, or_, select, update

from cobalt_tasks.alerts.message import Message
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import alerts as table

STATES: Final = ("pending", "sending", "sent", "dead")
TRIES: Final = 10
"""Tries after which a message is dead."""

KEPT_SECONDS: Final = 30 * DAY
ABANDONED_SECONDS: Final = 60.0
"""A claim that stands still for so long has lost its sender; a delivery ends well before."""

_FIRST_PAUSE: Final = 15.0
_LONGEST_PAUSE: Final = HOUR
_SKEW_SECONDS: Final = 1.0

_DELETED_AT_ONCE: Final = 1_000
_SHOWN: Final = (
    *("id", "key", "rule", "receiver", "severity", "state", "created_at", "due_at", "attempts", "count", "ended_at"),
    "reason",
)

Item = Mapping[str, Any]
_claims: dict[str, float] = {}
"""When this process first saw a claim, by its monotonic clock."""


class Addressed(Struct, frozen=True, kw_only=True):
    """Whom a message is for, and until when others join it.

    Attributes:
        rule: the name of the rule.
        receiver: the name of the receiver.
        severity: of the rule.
        delay: seconds until it may be sent.
        lines: items that it lists, at most.
        key: what it is known by, so that it is written once; None: it is a new one.

    """

    rule: str
    receiver: str
    severity: str
    delay: float
    lines: int
    key: str | None = None


class Claimed(Struct, frozen=True, kw_only=True):
    """A message that this process sends."""

    id: int
    claim: str
    receiver: str
    attempts: int
    message: Message


def add(connection: Connection, to: Addressed, items: Sequence[Item]) -> None:
    """Write a message, or add to the one of the same rule and receiver that still waits for others.

    connection: of the transaction that moves the reader of changes on; to: whom it is for; items: what it is about.
    """
    if to.key is None:
        waiting = select(table.c.id, table.c["count"], table.c["items"]).where(
            table.c.state == "pending",
            table.c.attempts == 0,
            table.c.due_at > database_now(),
            table.c.rule == to.rule,
            table.c.receiver == to.receiver,
        )
        known = connection.execute(waiting.limit(1).with_for_update()).mappings().first()
        if known is not None:
            listed = [*msgspec.json.decode(known["items"]), *items][: to.lines]
            more = {"count": known["count"] + len(items), "items": msgspec.json.encode(listed).decode()}
            connection.execute(update(table).where(table.c.id == known["id"]).values(more))
            return
    elif connection.execute(select(table.c.id).where(table.c.key == to.key)).first() is not None:
        return
    values = {
        "key": to.key or uuid.uuid4().hex,
        "rule": to.rule,
        "receiver": to.receiver,
        "severity": to.severity,
        "state": "pending",
        "created_at": database_now(),
        "due_at": database_now() + to.delay,
        "count": len(items),
        "items": msgspec.json.encode(items[: to.lines]).decode(),
    }
    connection.execute(insert(table).values(values))


def has_due(connection: Connection) -> bool:
    """Return whether a message is due, or is being sent."""
    return (
        connection.execute(select(table.c.id).where(or_(_due(), table.c.state == "sending")).limit(1)).first()
        is not None
    )


def _due() -> Any:
    now = database_now()
    # Written later than now, or to be tried later than any pause: the clock was set back since.
    ahead = or_(
        table.c.created_at > now + _SKEW_SECONDS, and_(table.c.attempts > 0, table.c.due_at > now + _LONGEST_PAUSE)
    )
    return and_(table.c.state == "pending", or_(table.c.due_at <= now, ahead))


def claim(connection: Connection) -> Claimed | None:
    """Return the message that has been due for the longest, claimed for this process; None: no message is due."""
    chosen = select(table.c.id).where(_due()).order_by(table.c.due_at).limit(1).with_for_update(skip_locked=True)
    token = uuid.uuid4().hex
    values = {"state": "sending", "claim": token, "attempts": table.c.attempts + 1}
    taken = update(table).where(table.c.id == chosen.scalar_subquery(), table.c.state == "pending").values(values)
    row = connection.execute(taken.returning(table)).mappings().first()
    if row is None:
        return None
    shared = {name: row[name] for name in ("key", "rule", "severity", "created_at", "count")}
    message = Message(**shared, items=msgspec.json.decode(row["items"]))
    return Claimed(id=row["id"], claim=token, receiver=row["receiver"], attempts=row["attempts"], message=message)


def succeed(connection: Connection, claimed: Claimed) -> None:
    """Store that a message was delivered; `claimed`: from `claim`."""
    _end(connection, claimed, {"state": "sent", "ended_at": database_now(), "reason": null(), "claim": null()})


def fail(connection: Connection, claimed: Claimed, reason: str) -> None:
    """Store that a delivery failed: it is tried again after a pause, or dead after the last try.

    claimed: from `claim`; reason: without a secret.
    """
    if claimed.attempts >= TRIES:
        values: dict[str, Any] = {"state": "dead", "ended_at": database_now()}
    else:
        pause = min(_FIRST_PAUSE * 2 ** (claimed.attempts - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311
        values = {"state": "pending", "due_at": database_now() + pause}
    _end(connection, claimed, {**values, "reason": reason, "claim": null()})


def _end(connection: Connection, claimed: Claimed, values: dict[str, Any]) -> None:
    own = table.c.id == claimed.id, table.c.claim == claimed.claim, table.c.state == "sending"
    connection.execute(update(table).where(*own).values(values))


def recover(connection: Connection) -> int:
    """Make messages due again whose sender was lost, and return how many: their claims stood still for a minute."""
    now = time.monotonic()
    sending = select(table.c.id, table.c.claim, table.c.receiver, table.c.attempts).where(table.c.state == "sending")
    rows = connection.execute(sending.limit(_DELETED_AT_ONCE)).all()
    for token in set(_claims) - {row.claim for row in rows}:
        del _claims[token]
    lost = [row for row in rows if now - _claims.setdefault(row.claim, now) > ABANDONED_SECONDS]
    for row in lost:
        nothing = Message(key="", rule="", severity="", created_at=0.0, count=0, items=())
        claimed = Claimed(id=row.id, claim=row.claim, receiver=row.receiver, attempts=row.attempts, message=nothing)
        fail(connection, claimed, "the process that sent it ended; it may have arrived")
    return len(lost)


def prune(connection: Connection) -> None:
    """Delete some of the messages that were sent, or are dead, for longer than 30 days."""
    old = select(table.c.id).where(
        table.c.state.in_(("sent", "dead")), table.c.ended_at < database_now() - KEPT_SECONDS
    )
    connection.execute(delete(table).where(table.c.id.in_(old.limit(_DELETED_AT_ONCE))))


# For people ------------------------------------------------------------------------------------------------------------


def page(
    connection: Connection, limit: int, state: str | None = None, before: int | None = None
) -> list[dict[str, Any]]:
    """Return messages, the newest first, without what is in them.

    connection: of the ledger; limit: rows at most; state: only those in it, None: all; before: only those with smaller
    ids, None: from the newest.
    """
    chosen = select(*(table.c[name] for name in _SHOWN)).order_by(table.c.id.desc()).limit(limit)
    if state is not None:
        chosen = chosen.where(table.c.state == state)
    if before is not None:
        chosen = chosen.where(table.c.id < before)
    return [dict(row) for row in connection.execute(chosen).mappings()]


def counts(connection: Connection) -> dict[str, int]:
    """Return how many messages are in each state; of what was delivered, those of the last 30 days."""
    found = connection.execute(select(table.c.state, func.count()).group_by(table.c.state)).all()
    return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in found}


def retry(connection: Connection, wanted: int | None) -> int:
    """Make dead messages due again with ten more tries, and return how many; `wanted`: the id of one, None: all."""
    dead = table.c.state == "dead" if wanted is None else and_(table.c.state == "dead", table.c.id == wanted)
    values = {"state": "pending", "attempts": 0, "due_at": database_now(), "ended_at": null()}
    return connection.execute(update(table).where(dead).values(values)).rowcount


def drop(connection: Connection, wanted: int | None) -> int:
    """Delete dead messages, and return how many; `wanted`: the id of one, None: all."""
    dead = table.c.state == "dead" if wanted is None else and_(table.c.state == "dead", table.c.id == wanted)
    return connection.execute(delete(table).where(dead)).rowcount


class Dead(Struct, frozen=True, kw_only=True):
    """How many messages are dead, and to whom and why the last of them was not delivered."""

    count: int
    receiver: str
    reason: str


def dead(connection: Connection) -> Dead | None:
    """Return the dead messages, None where there are none."""
    is_dead = table.c.state == "dead"
    count = connection.execute(select(func.count()).select_from(table).where(is_dead)).scalar_one()
    if not count:
        return None
    chosen = select(table.c.receiver, table.c.reason).where(is_dead).order_by(table.c.ended_at.desc()).limit(1)
    row = connection.execute(chosen).one()
    return Dead(count=count, receiver=row.receiver, reason=row.reason or "")
