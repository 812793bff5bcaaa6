"""Changes for people: since when, and as text grouped by host."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.core.durations import span
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.text import printable
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes

MOST: Final = 10_000
"""Changes that one call returns."""

LAST: Final = "last"

_PORTS_PRINTED: Final = 10
_WORDS: Final = {
    ChangeKind.PORT_OPENED: "is open now",
    ChangeKind.PORT_CLOSED: "is closed now",
    ChangeKind.PORT_REOPENED: "is open again",
}


def moment(given: str, now: float) -> float:
    """Return the time that `--since` names, in epoch seconds.

    given: 24h, 7d, 2w, a date or a date with a time (UTC); now: epoch seconds.

    Raises:
        ConfigurationError: it is none of these.

    """
    if (seconds := span(given)) is not None:
        return now - seconds
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        raise ConfigurationError(
            f"--since {given!r} is no time: write 24h, 7d, 2026-11-20, 2026-11-20T08:00, or last"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def since(database: Database, given: str, now: float, address: str | None = None) -> list[dict[str, Any]]:
    """Return the changes since a time, the newest first, MOST at most.

    database: the ledger; given: as `moment` reads it, or `last`: what the last input changed; now: epoch seconds;
    address: only those of this host, None: all.
    """
    with database.reading() as connection:
        start = changes.last_input(connection) if given == LAST else moment(given, now)
        return changes.page(connection, MOST, since=start, address=address)


def page(  # noqa: PLR0913  # what the API takes
    database: Database,
    limit: int,
    *,
    since: float | None,
    address: str | None,
    before: int | None,
    after: int | None,
) -> dict[str, Any]:
    """Return a page of changes and where the next one starts.

    database: the ledger; limit: rows at most; since: only those recorded at this time (epoch seconds) or later;
    address: only those of this host; before: only those with smaller ids; after: only those with larger ids, the oldest
    first. None leaves a condition out.
    """
    with database.reading() as connection:
        rows = changes.page(connection, limit, since=since, address=address, before=before, after=after)
    if after is not None:
        return {"items": rows, "next": rows[-1]["id"] if rows else after}
    return {"items": rows, "next": rows[-1]["id"] if len(rows) == limit else None}


def as_text(rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    """Yield the lines that show changes: first scans of networks, then what changed on each host, oldest first."""
    ordered = sorted(rows, key=lambda row: row["id"])
    for row in ordered:
        if row["kind"] == ChangeKind.NETWORKS_SCANNED:
            found = row["details"]
            hosts, ports = _number(found["hosts"], "host"), _number(found["ports"], "port")
            yield f"{_day(row)}  first scan of its networks: {hosts} with {ports} found"
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in ordered:
        if row["kind"] != ChangeKind.NETWORKS_SCANNED:
            groups.setdefault(row["address"], []).append(row)
    for address, of_host in groups.items():
        yield ""
        yield address
        for row in of_host:
            yield f"  {_day(row)}  {printable(_line(row).encode())}"


def _line(row: dict[str, Any]) -> str:
    target = f"{row['port']}/{row['protocol']}"
    kind = ChangeKind(row["kind"])
    if kind is ChangeKind.HOST_FOUND:
        return f"new host{_ports(row['details'])}"
    if kind is ChangeKind.NAME_ADDED:
        return f"new name: {row['new']}"
    if kind in _WORDS:
        return f"port {target} {_WORDS[kind]}" + (f", was closed since {row['old']}" if row["old"] else "")
    return f"port {target}: {kind} from {row['old']} to {row['new']}"


def _ports(details: dict[str, Any]) -> str:
    shown, count = details["ports"][:_PORTS_PRINTED], details["count"]
    if not count:
        return ""
    rest = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f", open: {', '.join(shown)}{rest}"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _day(row: dict[str, Any]) -> str:
    return datetime.fromtimestamp(row["observed_at"], UTC).strftime("%Y-%m-%d %H:%M")
