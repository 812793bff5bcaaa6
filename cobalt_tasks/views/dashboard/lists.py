"""Pages of rows for the API: `items`, and `next` to ask for the page after, None on the last one."""

import time
from typing import Any

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import connections as traffic
from cobalt_tasks.hosts import queries as host_queries
from cobalt_tasks.hosts import source_lists
from cobalt_tasks.jobs import lists as job_lists
from cobalt_tasks.views import hosts as views
from cobalt_tasks.views.dashboard import payload

Page = dict[str, Any]


def hosts(
    database: Database,
    limit: int,
    only: host_queries.Filter,
    order: host_queries.Order,
    after: host_queries.After | None,
) -> Page:
    """Return a page of hosts, the last seen or the riskiest first.

    Args:
        database: the ledger.
        limit: rows at most.
        only: which hosts.
        order: which come first.
        after: the last host of the page before; None for the first page.

    """
    with database.reading() as connection:
        rows = host_queries.page(connection, limit, only=only, order=order, after=after)
    following = f"{rows[-1][order]!r}~{rows[-1]['address']}" if len(rows) == limit else None
    return {
        "items": rows,
        "next": following,
        "note": None if rows or after else views.empty_note(database, only, order),
    }


def connections(database: Database, limit: int, before: int | None, seconds: float | None) -> Page:
    """Return a page of connections, the newest first.

    Args:
        database: the ledger.
        limit: rows at most.
        before: only rows with a smaller id; None for the first page.
        seconds: only those that arrived within so many seconds; None for all.

    """
    since = None if seconds is None else time.time() - seconds
    with database.reading() as connection:
        rows = traffic.connections(connection, limit, since=since, before=before)
    return page_of([payload.connection(row) for row in rows], limit)


def jobs(database: Database, limit: int, only: job_lists.JobFilter, before: int | None) -> Page:
    """Return a page of jobs, the newest first.

    Args:
        database: the ledger.
        limit: rows at most.
        only: which jobs.
        before: only rows with a smaller id; None for the first page.

    """
    with database.reading() as connection:
        return page_of(job_lists.job_page(connection, limit, only=only, before=before), limit)


def sources(database: Database, limit: int, before: int | None) -> Page:
    """Return a page of sources, the newest first.

    Args:
        database: the ledger.
        limit: rows at most.
        before: only rows with a smaller id; None for the first page.

    """
    with database.reading() as connection:
        return page_of(source_lists.source_page(connection, limit, before), limit)


def rejects(database: Database, limit: int, source: int | None, before: int | None) -> Page:
    """Return a page of refused records, the newest first.

    Args:
        database: the ledger.
        limit: rows at most.
        source: only those of the source with this id; None: of all.
        before: only rows with a smaller id; None for the first page.

    """
    with database.reading() as connection:
        return page_of(source_lists.reject_page(connection, limit, source, before), limit)


def page_of(rows: list[dict[str, Any]], limit: int) -> Page:
    """Return a page of rows that have ids.

    Args:
        rows: of the page, the newest first.
        limit: rows at most: with so many, there may be more.

    """
    return {"items": rows, "next": rows[-1]["id"] if len(rows) == limit else None}
