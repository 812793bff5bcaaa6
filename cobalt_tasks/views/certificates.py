"""Certificates for people and programs: pages by the time they expire, and what a table shows of them."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cobalt_tasks.core.durations import DAY, span
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import certificates
from cobalt_tasks.hosts.certificates import SOON, Wanted
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.views.page_marks import marked, unmarked
from cobalt_tasks.views.tables import Cell, Column, Output
from cobalt_tasks.views.text import day

_NAMES_PRINTED: Final = 3
_PORTS_PRINTED: Final = 3


def wanted(search: Search, *, expiring: str | None, expired: bool, replaced: bool | None = None) -> Wanted:
    """Return which certificates are listed.

    Args:
        search: from a query for certificates.
        expiring: a length of time such as 30d: only those that expire within it, and have not expired.
        expired: only those that have expired.
        replaced: also those that no port shows any more; None: where neither `expiring` nor `expired` is wanted.

    Raises:
        ConfigurationError: `expiring` is no length of time, or both are wanted.

    """
    if expiring is not None and expired:
        raise ConfigurationError("expiring and expired exclude each other: name one of them")
    every = expiring is None and not expired if replaced is None else replaced
    now = time.time()
    if expired:
        return Wanted(search=search, last=now, replaced=every)
    if expiring is None:
        return Wanted(search=search, replaced=every)
    seconds = span(expiring)
    if seconds is None:
        raise ConfigurationError(f"expiring: {expiring[:50]!r} is no length of time: write 30d, 2w or 12h")
    return Wanted(search=search, first=now, last=now + seconds, replaced=every)


def page(database: Database, chosen: Wanted, limit: int, mark: str | None = None) -> dict[str, Any]:
    """Return a page of certificates: `items`, and the `next` mark, None at the end.

    Args:
        database: the ledger.
        chosen: which ones.
        limit: certificates at most.
        mark: the `next` of the page before; None for the first page.

    Raises:
        PageMarkError: the mark is none.
        SearchTooLongError: it took too long.

    """
    after = None if mark is None else unmarked(mark, ("not_after", "fingerprint"))
    with find.searching(database) as connection:
        rows = certificates.page(connection, chosen, limit, after)
    following = certificates.mark_behind(rows, limit)
    now = time.time()
    return {
        "items": [{**row, "state": state(row, now)} for row in rows],
        "next": None if following is None else marked(following),
    }


def state(row: Mapping[str, Any], now: float) -> str:
    """Return whether a certificate (`row`) is valid `now` (epoch seconds): expired, expiring (30 days), not yet valid, valid."""
    if row["not_after"] < now:
        return "expired"
    if row["not_before"] > now:
        return "not yet valid"
    return "expiring" if row["not_after"] < now + SOON else "valid"


def print_page(rows: Sequence[Mapping[str, Any]], note: str) -> None:
    """Print certificates, one row each: when they expire, for which names, where they are.

    Args:
        rows: what `page` returned.
        note: the line to print without any row.

    """
    now, shown = time.time(), []
    for row in rows:
        style = {"expired": "red", "expiring": "yellow"}.get(state(row, now), "") if row["in_use"] else "dim"
        end, left = Cell(day(row["not_after"]), style), Cell(_days(row["not_after"] - now), style)
        shown.append((end, left, _names(row), row["issuer"], ports_in_words(row, _PORTS_PRINTED)))
    columns = (
        Column("Expires", cut=False),
        Column("In", cut=False, right=True),
        Column("Names"),
        Column("Issuer"),
        Column("Shown by"),
    )
    Output().listing(columns, shown, note)


def _names(row: Mapping[str, Any]) -> str:
    return _some(row["names"], _NAMES_PRINTED) or row["subject"]


def ports_in_words(row: Mapping[str, Any], most: int) -> str:
    """Return which open ports show a certificate now, and on how many it is replaced.

    row: from `page`; most: ports that are named, the others are counted.
    """
    shown = [each for each in row["ports"] if each["replaced_by"] is None and not each["closed"]]
    targets = [f"{each['address']} {each['port']}/{each['protocol']}" for each in shown]
    listed = _some(targets, most, more=row["more_ports"])
    renewed = sum(each["replaced_by"] is not None for each in row["ports"])
    replaced = f"replaced on {renewed} of {len(row['ports'])} ports" if renewed else ""
    return "; ".join(filter(None, (listed, replaced))) or "no open port"


def _some(values: Sequence[str], most: int, *, more: bool = False) -> str:
    rest = len(values) - most
    tail = f" and {rest}{' or more' if more else ''} others" if rest > 0 else ""
    return ", ".join(values[:most]) + tail


def _days(seconds: float) -> str:
    days = math.floor(seconds / DAY)
    return f"{days:,} d"
