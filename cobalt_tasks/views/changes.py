"""Changes for people: since when, and as text grouped by host."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from cobalt_tasks.core.addresses import sort_key
from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.core.durations import span
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.suggestions import did_you_mean
from cobalt_tasks.core.text import printable
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes, notes
from cobalt_tasks.hosts.names import names_of
from cobalt_tasks.hosts.search import find, of_changes
from cobalt_tasks.views.text import iso

MOST: Final = 10_000
"""Changes that one call returns."""

LAST: Final = "last"
_PAGE: Final = 1_000

_COUNTED: Final = {
    ChangeKind.NETWORKS_SCANNED: ("first scan", " of networks"),
    ChangeKind.LOCATIONS_UPDATED: ("new location database", ""),
    ChangeKind.RECOGNITION_UPDATED: ("update", " of recognition"),
    ChangeKind.PEER_COUNTRY_NEW: ("new peer country", ""),
}
_PORTS_PRINTED: Final = 10
_RUNS: Final = "{port} runs {new} now, before {old}"
_WORDS: Final = {
    ChangeKind.NETWORKS_SCANNED: "first scan of its networks: {hosts} with {open_ports}",
    ChangeKind.LOCATIONS_UPDATED: "{new} places {hosts} elsewhere",
    ChangeKind.RECOGNITION_UPDATED: "{new} describe the same answers of {hosts} otherwise",
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


class ChangeFilter(Struct, frozen=True, kw_only=True):
    """Which changes are wanted; what is empty or None does not narrow them.

    Attributes:
        since: only those recorded at this time (epoch seconds) or later.
        above: only those with larger ids.
        address: only those of this host.
        kinds: only these.
        query: only those whose port, or else whose host, the query matches.

    """

    since: float | None = None
    above: int | None = None
    address: str | None = None
    kinds: tuple[str, ...] = ()
    query: str = ""


def checked_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """Return kinds of changes by their names.

    Raises:
        ConfigurationError: a name stands for no kind; the message lists all.

    """
    known = {kind.value for kind in ChangeKind}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigurationError(f"there is no kind of change {name!r}.{hint} There are {', '.join(sorted(known))}")
    return tuple(names)


def first_of_last_input(database: Database) -> float:
    """Return when the last input that changed anything started to do so, in epoch seconds."""
    with database.reading() as connection:
        return changes.last_input(connection)


def found(database: Database, wanted: ChangeFilter, home: Path, most: int = MOST) -> list[dict[str, Any]]:
    """Return changes with the notes that accept them, the newest first.

    database: the ledger; wanted: which; home: the folder of networks.toml; most: how many at most.
    """
    rows: list[dict[str, Any]] = []
    before = None
    while len(rows) < most:
        page_ = page(database, min(most, _PAGE), wanted, home, before=before)
        rows += page_["items"]
        if (before := page_["next"]) is None:
            break
    return rows[:most]


def page(  # noqa: PLR0913  # what the API takes
    database: Database,
    limit: int,
    wanted: ChangeFilter,
    home: Path,
    *,
    before: int | None = None,
    after: int | None = None,
) -> dict[str, Any]:
    """Return a page of changes, each with the note that accepts it, and where the next one starts.

    database: the ledger; limit: rows that are looked at, at most; wanted: which of these; home: the folder of
    networks.toml; before: only those with smaller ids; after: only those with larger ids, the oldest first. None leaves a
    condition out. With a query a page may have fewer rows, also none, and a next one.
    """
    searches = of_changes.read(database, wanted.query, home)
    with find.searching(database) as connection:
        rows = changes.page(
            connection,
            limit,
            since=wanted.since,
            above=wanted.above,
            address=wanted.address,
            kinds=wanted.kinds,
            before=before,
            after=after,
        )
        items = of_changes.matching(connection, searches, rows)
        accepted = notes.accepted_changes(connection, items)
    items = [{**row, "text": in_words(row), "accepted": notes.brief(accepted.get(row["id"]))} for row in items]
    if after is not None:
        return {"items": items, "next": rows[-1]["id"] if rows else after}
    return {"items": items, "next": rows[-1]["id"] if len(rows) == limit else None}


def as_text(rows: Sequence[dict[str, Any]], names: Mapping[str, str]) -> Iterable[str]:
    """Yield the lines that show changes: how many of each kind, those without a host, then each host's, oldest first.

    rows: changes, not empty; names: a name of each host that has one.
    """
    ordered = sorted(rows, key=lambda row: row["id"])
    yield _summary(ordered)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in ordered:
        groups.setdefault(row["address"], []).append(row)
    for address in sorted(groups, key=lambda each: sort_key(each) if each else ""):
        yield ""
        if address:
            yield f"{address} ({names[address]})" if address in names else address
        for row in groups[address]:
            until = (
                f", until {_day(row['accepted']['expires_at'])[:10]}"
                if (row["accepted"] or {}).get("expires_at")
                else ""
            )
            note = f" [accepted{until}: {row['accepted']['reason']}]" if row["accepted"] else ""
            yield printable(f"{'  ' if address else ''}{_day(row['observed_at'])}  {row['text']}{note}".encode())


def _summary(rows: Sequence[dict[str, Any]]) -> str:
    counted = Counter(row["kind"] for row in rows)
    order = [kind.value for kind in ChangeKind]
    parts = [_counted(kind, counted[kind]) for kind in sorted(counted, key=order.index)]
    days = {_day(row["observed_at"])[:10] for row in rows}
    when = min(days) if len(days) == 1 else f"{min(days)} to {max(days)}"
    return f"{when}: {', '.join(parts)}. Times are in UTC."


def _counted(kind: str, number: int) -> str:
    """Return `2 ports opened`: how many changes (`number`) of a `kind`."""
    noun, rest = _COUNTED.get(ChangeKind(kind)) or (kind.partition(" ")[0], f" {kind.partition(' ')[2]}")
    return f"{_number(number, noun)}{rest}"


def names(database: Database, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return a name of each host that has one. database: the ledger; rows: changes."""
    addresses = sorted({row["address"] for row in rows if row["address"]})
    found: dict[str, str] = {}
    with database.reading() as connection:
        for start in range(0, len(addresses), _PAGE):
            named = names_of(connection, addresses[start : start + _PAGE])
            found |= {address: some[0] for address, some in named.items()}
    return found


def in_words(row: Mapping[str, Any]) -> str:
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
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _day(moment: float) -> str:
    return (iso(moment) or "")[:16].replace("T", " ")
