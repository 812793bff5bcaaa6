"""Lists of jobs, the newest first, however many jobs there are and however rare the wanted ones."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, literal_column, select, union_all

from cobalt_tasks.contracts import State
from cobalt_tasks.storage import counts
from cobalt_tasks.storage.models import KIND_STATE, jobs

_BEYOND_ALL: Final = 2**63 - 1


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
        _first(each_kind, state, below, limit)
        for each_kind, state in sorted(counts.jobs_by_kind_and_state(connection))
        if kind in {None, each_kind} and (not states or state in states)
    ]
    if not firsts:
        return chosen.where(jobs.c.id < 0)
    ids = union_all(*firsts).subquery()
    return chosen.where(jobs.c.id.in_(select(ids.c.id)))


def named(state: State | str | None) -> tuple[str, ...]:
    """Return one state, or none, as `newest` takes it."""
    return () if state is None else (str(state),)


def _first(kind: str, state: str, below: int, limit: int) -> Select[tuple[int]]:
    """Select the newest ids of one kind in one state: the index has them in this order."""
    chosen = select(jobs.c.id).where(literal_column(KIND_STATE) == f"{kind} {state}", jobs.c.id < below)
    return select(chosen.order_by(jobs.c.id.desc()).limit(limit).subquery().c.id)
