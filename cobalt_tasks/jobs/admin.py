"""What people do with jobs by hand: look, try again, cancel, prune."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, select, true

from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.core.records import ACTIVE_STATES, FINAL_STATES, State
from cobalt_tasks.db import old_rows
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs
from cobalt_tasks.jobs import lists as job_lists
from cobalt_tasks.jobs import store

_PRUNED_AT_ONCE: Final = 2000
_CHANGED_AT_ONCE: Final = 1000


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
    """Return jobs, the newest first.

    selection: which jobs; limit: the most to return, 1 or more.
    """
    states = job_lists.named(selection.state)
    query = _narrowed(connection, selection, list(jobs.c), states, limit, None)
    return [dict(row) for row in connection.execute(query).mappings()]


def retry(database: Database, selection: Selection) -> int:
    """Make failed, dead and cancelled jobs pending again, with all their attempts; return how many.

    One whose target has an active job of that kind is left as it is; of several for one target the newest is retried.

    database: the ledger, written page by page; selection: which jobs, those in other states are left as they are.
    """
    return _page_by_page(database, selection, store.RETRIABLE, store.retry)


def cancel(database: Database, selection: Selection) -> int:
    """Cancel jobs that have not ended; return how many.

    One that is running loses its claim: its worker may finish, but nothing of what it found is written.

    database: the ledger, written page by page; selection: which jobs, those in other states are left as they are.
    """
    return _page_by_page(database, selection, ACTIVE_STATES, store.cancel)


def prune(connection: Connection, limit: KeepLimit) -> int:
    """Delete some of the jobs that ended and are not kept.

    Args:
        connection: a transaction that writes.
        limit: how long, or up to which size, jobs are kept; those that have not ended are.

    Returns:
        How many went, 0 when none is left.

    """
    oldest = old_rows.cutoff(connection, limit, jobs, func.coalesce(jobs.c.finished_at, jobs.c.created_at))
    if oldest is None:
        return 0
    old = jobs.c.finished_at < oldest, jobs.c.state.in_(FINAL_STATES)
    return old_rows.delete_by_id(connection, jobs, old, jobs.c.finished_at, _PRUNED_AT_ONCE)


def _page_by_page(
    database: Database,
    selection: Selection,
    states: Sequence[State],
    change: Callable[[Connection, store.Targets], int],
) -> int:
    """Change jobs from the newest to the oldest, some in each transaction, so that no other process waits long."""
    wanted = [state for state in states if selection.state in {None, state}]
    if not wanted:
        return 0
    changed, below = 0, None
    while True:
        with database.reading() as connection:
            query = _narrowed(connection, selection, [jobs.c.id, *store.TARGET], wanted, _CHANGED_AT_ONCE, below)
            rows = connection.execute(query)
            page = {number: tuple(target) for number, *target in rows}
        if not page:
            return changed
        changed += database.write(change, page)
        below = min(page)


def _narrowed(  # noqa: PLR0913, PLR0917  # a page of a selection
    connection: Connection,
    selection: Selection,
    columns: Sequence[Any],
    states: Sequence[str],
    limit: int,
    before: int | None,
) -> Select[Any]:
    if selection.ids is None:
        return job_lists.newest(
            connection, columns, limit, kind=selection.kind, states=states, address=selection.address, before=before
        )
    # By their numbers alone: they are few, and the other conditions are checked for each.
    given = {"kind": selection.kind, "address": selection.address}
    query = select(*columns).where(jobs.c.id.in_(selection.ids), _is_below(before))
    query = query.where(*(jobs.c[name] == value for name, value in given.items() if value is not None))
    query = query.where(jobs.c.state.in_(states)) if states else query
    return query.order_by(jobs.c.id.desc()).limit(limit)


def _is_below(before: int | None) -> ColumnElement[bool]:
    return true() if before is None else jobs.c.id < before
