"""What people do with jobs by hand: look, try again, cancel, prune."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, select, true, update

from cobalt_tasks.contracts import ACTIVE_STATES, FINAL_STATES, State
from cobalt_tasks.storage.engine import database_now
from cobalt_tasks.storage.models import jobs

_PRUNED_AT_ONCE = 2000


class Selection(Struct, frozen=True, kw_only=True):
    """Which jobs are meant; what is None does not narrow it."""

    ids: Sequence[int] | None = None
    kind: str | None = None
    state: str | None = None
    address: str | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return self == Selection()


def find(connection: Connection, selection: Selection, limit: int) -> list[dict[str, Any]]:
    """Return jobs, the newest first."""
    query = select(jobs).where(_matches(selection)).order_by(jobs.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def retry(connection: Connection, selection: Selection) -> int:
    """Make failed, dead and cancelled jobs pending again, with all their attempts; return how many.

    One whose target has an active job of that kind already is left as it is.
    """
    same = jobs.alias("same")
    other = (
        select(same.c.id)
        .where(
            *(same.c[name] == jobs.c[name] for name in ("kind", "address", "protocol", "port")),
            same.c.id != jobs.c.id,
            same.c.state.in_(ACTIVE_STATES) | ((same.c.id > jobs.c.id) & same.c.state.in_(_RETRIABLE)),
        )
        .exists()
    )
    statement = (
        update(jobs)
        .where(_matches(selection), jobs.c.state.in_(_RETRIABLE), ~other)
        .values(
            state=State.PENDING,
            attempts=0,
            forced=true(),
            not_before=database_now(),
            waits_for=None,
            finished_at=None,
            outcome=None,
            detail=None,
        )
    )
    return connection.execute(statement).rowcount


def cancel(connection: Connection, selection: Selection) -> int:
    """Cancel jobs that have not begun; return how many. A running one ends by itself."""
    statement = (
        update(jobs)
        .where(_matches(selection), jobs.c.state.in_([State.PENDING, State.SENT]))
        .values(state=State.CANCELLED, outcome="cancelled", finished_at=database_now())
    )
    return connection.execute(statement).rowcount


def prune(connection: Connection, older_than: float) -> int:
    """Delete some of the jobs that ended more than `older_than` seconds ago; return how many, 0 when none is left."""
    old = (
        select(jobs.c.id)
        .where(jobs.c.finished_at < database_now() - older_than, jobs.c.state.in_(FINAL_STATES))
        .limit(_PRUNED_AT_ONCE)
    )
    return connection.execute(delete(jobs).where(jobs.c.id.in_(old))).rowcount


_RETRIABLE = (State.FAILED, State.DEAD, State.CANCELLED)


def _matches(selection: Selection) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if selection.ids is not None:
        conditions.append(jobs.c.id.in_(selection.ids))
    given = {name: getattr(selection, name) for name in ("kind", "state", "address")}
    conditions.extend(jobs.c[name] == value for name, value in given.items() if value is not None)
    return and_(*conditions)
