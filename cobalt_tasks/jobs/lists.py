"""Lists of jobs, the newest first, however many jobs there are and however rare the wanted ones."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Select, literal_column, select, text, union_all

from cobalt_tasks.core.records import State
from cobalt_tasks.db import counts
from cobalt_tasks.db.tables import KIND_STATE, NOT_PENDING, SENDABLE, WAITING, jobs

_BEYOND_ALL: Final = 2**63 - 1

_SORTED: Final = 50_000
"""Pending jobs of a kind that are put in order; of more than that, a walk by number soon meets enough."""


class JobFilter(Struct, frozen=True, kw_only=True):
    """Which jobs: of a kind, in a state, about an address."""

    kind: str | None = None
    state: str | None = None
    address: str | None = None


EVERY: Final = JobFilter()

_JOB: Final = tuple(column.name for column in jobs.c if column.name != "claim")


def newest(  # noqa: PLR0913  # what may narrow a list
    connection: Connection,
    columns: Sequence[Any],
    limit: int,
    *,
    kind: str | None = None,
    states: Sequence[str] = (),
    address: str | None = None,
    before: int | None = None,
) -> Select[Any]:
    """Return a statement that selects `columns` of up to `limit` jobs, those with the greatest ids below `before` first.

    `kind`, `address`: only jobs of that kind, about that address; `states`: only jobs in one of these; None and () do not
    narrow the list.
    """
    below = _BEYOND_ALL if before is None else before
    chosen = select(*columns).order_by(jobs.c.id.desc()).limit(limit)
    if address is not None:
        # An address has few jobs.
        chosen = chosen.where(jobs.c.address == address, jobs.c.id < below)
        chosen = chosen.where(jobs.c.kind == kind) if kind is not None else chosen
        return chosen.where(jobs.c.state.in_(states)) if states else chosen
    if kind is None and not states:
        return chosen.where(jobs.c.id < below)
    firsts = [
        first
        for (each_kind, state), number in sorted(counts.jobs_by_kind_and_state(connection).items())
        if kind in {None, each_kind} and (not states or state in states)
        for first in _firsts(each_kind, state, number, below, limit)
    ]
    if not firsts:
        return chosen.where(jobs.c.id < 0)
    ids = union_all(*firsts).subquery()
    return chosen.where(jobs.c.id.in_(select(ids.c.id)))


def named(state: State | str | None) -> tuple[str, ...]:
    """Return one state, or none, as `newest` takes it."""
    return () if state is None else (str(state),)


def job_page(
    connection: Connection, limit: int, *, only: JobFilter = EVERY, before: int | None = None
) -> list[dict[str, Any]]:
    """Return a page of jobs, the newest first.

    limit: the most to return, 1 or more; only: which jobs.
    before: the id of the last job of the page before, None for the first page.
    """
    columns = [jobs.c[name] for name in _JOB]
    states = named(only.state)
    chosen = newest(connection, columns, limit, kind=only.kind, states=states, address=only.address, before=before)
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _firsts(kind: str, state: str, number: int, below: int, limit: int) -> list[Select[tuple[int]]]:
    """Select the newest ids of one kind in one state, which has `number` jobs."""
    if state != State.PENDING:
        # The index has them in this order.
        is_one = literal_column(KIND_STATE) == f"{kind} {state}"
        return [_first(select(jobs.c.id).where(is_one, text(NOT_PENDING)), jobs.c.id, below, limit)]
    # Input makes these, and no index by number has to follow it: those of dispatch serve.
    order = jobs.c.id + literal_column("0") if number <= _SORTED else jobs.c.id
    parts = (select(jobs.c.id).where(jobs.c.kind == kind, text(part)) for part in (SENDABLE, WAITING))
    return [_first(part, order, below, limit) for part in parts]


def _first(chosen: Select[tuple[int]], order: Any, below: int, limit: int) -> Select[tuple[int]]:
    chosen = chosen.where(order < below).order_by(order.desc()).limit(limit)
    return select(chosen.subquery().c.id)
