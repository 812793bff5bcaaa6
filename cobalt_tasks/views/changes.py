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
_RUNS: Final = "{port} runs {new} now, before {old}"
_WORDS: Final = {
    ChangeKind.NETWORKS_SCANNED: "first scan of its networks: {hosts} with {open_ports}",
    ChangeKind.LOCATIONS_UPDATED: "{new} places {hosts} elsewhere",
    ChangeKind.HOST_FOUND: "new host{with_ports}",
    ChangeKind.PORT_OPENED: "{port} is open now",
    ChangeKind.PORT_CLOSED: "{port} is closed now",
    ChangeKind.PORT_REOPENED: "{port} is open again{before}",
    ChangeKind.SERVICE_CHANGED: _RUNS,
    ChangeKind.PRODUCT_CHANGED: _RUNS,
    ChangeKind.VERSION_CHANGED: _RUNS,
    ChangeKind.CERTIFICATE_CHANGED: "{port} has another certificate: {new}; before {old}",
    ChangeKind.CERTIFICATE_RENEWED: "{port} has a renewed certificate: {new}; before {old}",
    ChangeKind.CERTIFICATE_EXPIRING: "the certificate of {port}, {old}, {new}",
    ChangeKind.NAME_ADDED: "new name: {new}",
    ChangeKind.NAME_GONE: "no longer has the name {old}",
    ChangeKind.LOCATION_CHANGED: "moved from {old} to {new}",
    ChangeKind.NETWORK_CHANGED: "belongs to {new} now, before to {old}",
    ChangeKind.SCORE_CHANGED: "risk score went {way} from {old} to {new}",
    ChangeKind.PEER_COUNTRY_NEW: "first connection with {new}",
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
    """Yield the lines that show changes: those without a host, then what changed on each host, oldest first."""
    ordered = sorted(rows, key=lambda row: row["id"])
    for row in ordered:
        if not row["address"]:
            yield f"{_day(row)}  {printable(_line(row).encode())}"
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in ordered:
        if row["address"]:
            groups.setdefault(row["address"], []).append(row)
    for address, of_host in groups.items():
        yield ""
        yield address
        for row in of_host:
            yield f"  {_day(row)}  {printable(_line(row).encode())}"


def _line(row: dict[str, Any]) -> str:
    """Return what changed in words, without the host's address."""
    kind, details = ChangeKind(row["kind"]), row["details"] or {}
    words = {
        "port": f"port {row['port']}/{row['protocol']}",
        "old": row["old"] or "an unknown place",
        "new": row["new"] or "an unknown place",
        "hosts": _number(details.get("hosts", 0), "host"),
        "open_ports": _number(details.get("ports", 0), "open port") if kind is ChangeKind.NETWORKS_SCANNED else "",
        "with_ports": _ports(details),
        "before": f"; it was closed since {row['old']}" if row["old"] else "",
        "way": "up" if (row["new"] or "") > (row["old"] or "") else "down",
    }
    return _WORDS[kind].format(**words)


def _ports(details: dict[str, Any]) -> str:
    if not details.get("count"):
        return ""
    shown, count = details["ports"][:_PORTS_PRINTED], details["count"]
    rest = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f" with {_number(count, 'open port')}: {', '.join(shown)}{rest}"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _day(row: dict[str, Any]) -> str:
    return datetime.fromtimestamp(row["observed_at"], UTC).strftime("%Y-%m-%d %H:%M")
