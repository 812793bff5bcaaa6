"""Certificates by the time they expire: where each was shown, and what took its place.

A certificate is replaced on a port by another one for the same subject or a shared name: by a renewal, which is valid longer
and has the same issuer or the same key, once it was seen for a day longer; or by one first seen after it was last seen there.
"""

import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.tables import certificates, ports, sightings
from cobalt_tasks.db.tables.search import certificate_names
from cobalt_tasks.hosts.search import compiler, find
from cobalt_tasks.hosts.search.find import Search

Row = dict[str, Any]
Mark = tuple[float, str]
"""Where a page ends: epoch seconds of the expiry, and the fingerprint."""

SOON: Final = 30 * DAY
"""Certificates that expire within this time are counted."""

COUNTED: Final = 2_000
"""Certificates that are looked at to count them, at most."""

_PORTS_SHOWN: Final = 50
_WALKED: Final = (250, 1_000, 4_000, 16_000)
"""Certificates that are looked at in their order, before those that match are gathered first."""

_PORT: Final = ("address", "protocol", "port")
_SHOWN: Final = (
    "fingerprint",
    "subject",
    "issuer",
    "serial",
    "not_before",
    "not_after",
    "self_signed",
    "names",
    "key_type",
    "key_size",
    "signature",
)
_CHOSEN: Final = select(*(certificates.c[name] for name in _SHOWN)).where(
    certificates.c.fingerprint == bindparam("wanted", type_=Text())
)


class Wanted(Struct, frozen=True, kw_only=True):
    """Which certificates are listed.

    Attributes:
        search: from a query for certificates; None: all.
        first: expiring at this time or later, in epoch seconds; None: from the first.
        last: expiring before this time; None: to the last.
        replaced: also those that no port shows any more: replaced everywhere, or their ports are closed.

    """

    search: Search | None = None
    first: float | None = None
    last: float | None = None
    replaced: bool = True


class Expiries(Struct, frozen=True, kw_only=True):
    """Certificates in use that have expired and that expire within `SOON`, of the `COUNTED` nearest of each."""

    expired: int
    soon: int


def der_of(connection: Connection, fingerprint: str) -> bytes:
    """Return the bytes of the certificate with a `fingerprint`; empty if it is not known, or only described."""
    chosen = select(certificates.c.der).where(certificates.c.fingerprint == fingerprint)
    return bytes(connection.execute(chosen).scalar() or b"")


def page(connection: Connection, wanted: Wanted, limit: int, after: Mark | None = None) -> list[Row]:
    """Return certificates, those that expire first at the front, with the ports that showed them.

    Args:
        connection: from `find.searching`, which bounds the time.
        wanted: which ones.
        limit: certificates at most.
        after: the mark of the last one of the page before; None: from the first.

    """
    return [_row(connection, mark) for mark in _marks(connection, wanted, limit, after)]


def expiries(connection: Connection) -> Expiries:
    """Count the certificates in use that have expired, and those that expire soon."""
    now = time.time()
    table = certificates.alias()
    past = select(table).where(table.c.not_after < now).order_by(table.c.not_after.desc())
    soon = select(table).where(table.c.not_after.between(now, now + SOON)).order_by(table.c.not_after)
    counts = []
    for chosen in (past, soon):
        looked_at = chosen.limit(COUNTED).subquery()
        used = select(func.count()).select_from(looked_at).where(_is_shown(looked_at, None, replaced=False))
        counts.append(connection.execute(used).scalar_one())
    return Expiries(expired=counts[0], soon=counts[1])


def _marks(connection: Connection, wanted: Wanted, limit: int, after: Mark | None) -> list[Mark]:
    search = wanted.search
    rare = search is not None and find.is_rare(connection, search)
    found: list[Mark] = []
    for walked in () if rare else _WALKED:
        part, last = _walk(connection, wanted, walked, after)
        found += part[: limit - len(found)]
        if len(found) == limit or last is None:
            return found
        after = last
    if search is not None and search.asked is not None:
        return found + _gathered(connection, wanted, search, limit - len(found), after)
    while len(found) < limit:
        part, last = _walk(connection, wanted, _WALKED[-1], after)
        found += part[: limit - len(found)]
        if last is None:
            break
        after = last
    return found


def _walk(connection: Connection, wanted: Wanted, walked: int, after: Mark | None) -> tuple[list[Mark], Mark | None]:
    """Return (found, last): those of the next `walked` certificates that are wanted, and the last of them; None: no more."""
    table = certificates.alias()
    nearest = _in_range(select(table), table, wanted, after).limit(walked).subquery()
    fits = _is_shown(nearest, wanted.search, replaced=wanted.replaced).label("fits")
    chosen = select(nearest.c.not_after, nearest.c.fingerprint, fits)
    rows = connection.execute(chosen.order_by(nearest.c.not_after, nearest.c.fingerprint)).all()
    found = [(row.not_after, row.fingerprint) for row in rows if row.fits]
    return found, (rows[-1].not_after, rows[-1].fingerprint) if len(rows) == walked else None


def _gathered(connection: Connection, wanted: Wanted, search: Search, limit: int, after: Mark | None) -> list[Mark]:
    """Return the marks of certificates that an index finds by the query."""
    some = find.matching(connection, search).cte("gathered").prefix_with("MATERIALIZED")
    each = select(some.c.fingerprint).distinct().subquery()
    table = certificates.alias()
    chosen = select(table.c.not_after, table.c.fingerprint).join_from(
        each, table, table.c.fingerprint == each.c.fingerprint
    )
    fits = _is_shown(table, search, replaced=wanted.replaced)
    ordered = _in_range(chosen.where(fits), table, wanted, after)
    return [(row.not_after, row.fingerprint) for row in connection.execute(ordered.limit(limit))]


def _in_range(chosen: Select[Any], table: FromClause, wanted: Wanted, after: Mark | None) -> Select[Any]:
    if wanted.first is not None:
        chosen = chosen.where(table.c.not_after >= wanted.first)
    if wanted.last is not None:
        chosen = chosen.where(table.c.not_after < wanted.last)
    if after is not None:
        mark = tuple_(*(literal(each) for each in after))
        chosen = chosen.where(tuple_(table.c.not_after, table.c.fingerprint) > mark)
    return chosen.order_by(table.c.not_after, table.c.fingerprint)


def _is_shown(certificate: FromClause, search: Search | None, *, replaced: bool) -> ColumnElement[bool]:
    """Return the condition that a port shows a certificate, and shows it still (unless `replaced`)."""
    shown = sightings.alias()
    chosen = select(literal(1)).select_from(shown).where(shown.c.fingerprint == certificate.c.fingerprint)
    if search is not None and search.asked is not None:
        # Wrapped, so that no planner takes the index of a term for that of the fingerprint.
        chosen = chosen.where(case((compiler.condition(search.asked, shown, search.target), 1), else_=0) == 1)
    if not replaced:
        chosen = chosen.where(is_in_use(shown, certificate))
    # Not EXISTS: a planner may turn it into a join of whole tables.
    one = chosen.correlate(certificate).limit(1).scalar_subquery()
    return func.coalesce(one, 0) == 1


def is_in_use(shown: FromClause, certificate: FromClause) -> ColumnElement[bool]:
    """Return the condition that a port shows a certificate still: the port is open, and no newer one took its place.

    shown: where it was seen; certificate: itself.
    """
    closed = select(literal(1)).where(_same_port(ports, shown), ports.c.closed_since.is_not(None))
    return and_(_absent(closed.correlate(shown)), _absent(_successor(shown, certificate, literal(1))))


def _absent(chosen: Select[Any]) -> ColumnElement[bool]:
    return func.coalesce(chosen.limit(1).scalar_subquery(), 0) == 0


def _successor(shown: FromClause, certificate: FromClause, column: Any = None) -> Select[Any]:
    """Return a select of what replaced a certificate where it was shown: its fingerprint, or `column`."""
    later, other = sightings.alias(), certificates.alias()
    own, others = certificate_names.alias(), certificate_names.alias()
    shares = select(literal(1)).join_from(own, others, own.c.name == others.c.name)
    shares = shares.where(own.c.fingerprint == certificate.c.fingerprint, others.c.fingerprint == other.c.fingerprint)
    same = or_(
        and_(other.c.subject == certificate.c.subject, other.c.subject != ""),
        shares.correlate(certificate, other).exists(),
    )
    renewed = and_(
        other.c.not_after > certificate.c.not_after,
        # Both may be in use: a server may have one with an RSA key and one with another.
        later.c.last_seen > shown.c.last_seen + DAY,
        or_(
            other.c.issuer == certificate.c.issuer,
            and_(other.c.public_key != "", other.c.public_key == certificate.c.public_key),
        ),
    )
    chosen = select(other.c.fingerprint if column is None else column).join_from(
        later, other, other.c.fingerprint == later.c.fingerprint
    )
    return chosen.where(
        _same_port(later, shown),
        later.c.fingerprint != shown.c.fingerprint,
        or_(renewed, later.c.first_seen > shown.c.last_seen),
        same,
    ).correlate(shown, certificate)


def _same_port(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(*(one.c[name] == other.c[name] for name in _PORT))


def _row(connection: Connection, mark: Mark) -> Row:
    known = connection.execute(_CHOSEN, {"wanted": mark[1]}).mappings().one()
    seen, more = _ports(connection, mark[1])
    shown = [each for each in seen if each["replaced_by"] is None and not each["closed"]]
    # A certificate on more ports than are listed is taken for one in use.
    return {
        **known,
        "names": msgspec.json.decode(known["names"]),
        "in_use": bool(shown) or more,
        "ports": seen,
        "more_ports": more,
    }


def _ports(connection: Connection, fingerprint: str) -> tuple[list[Row], bool]:
    """Return (ports, more): the ports that showed a certificate, up to a number, and whether there are others."""
    rows = connection.execute(_shown_on(), {"wanted": fingerprint}).mappings().all()
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows[:_PORTS_SHOWN]:
        key = tuple(row[name] for name in _PORT)
        known = found.setdefault(key, {**row, "sources": []})
        known.pop("source", None)
        known["sources"] = sorted({*known["sources"], row["source"]})
        known["first_seen"] = min(known["first_seen"], row["first_seen"])
        known["last_seen"] = max(known["last_seen"], row["last_seen"])
        # Another source may have seen the certificate there later than its successor.
        known["replaced_by"] = known["replaced_by"] and row["replaced_by"]
    return [found[key] for key in sorted(found)], len(rows) > _PORTS_SHOWN


@cache
def _shown_on() -> Select[Any]:
    """Return a select of the sightings of the certificate `wanted`; made once, since a page has one for each certificate."""
    shown, certificate = sightings.alias(), certificates.alias()
    closed = select(literal(1)).where(_same_port(ports, shown), ports.c.closed_since.is_not(None))
    successor = _successor(shown, certificate).limit(1).scalar_subquery()
    columns = (*(shown.c[name] for name in _PORT), shown.c.source, shown.c.first_seen, shown.c.last_seen)
    return (
        select(*columns, successor.label("replaced_by"), closed.correlate(shown).exists().label("closed"))
        .join_from(shown, certificate, certificate.c.fingerprint == shown.c.fingerprint)
        .where(shown.c.fingerprint == bindparam("wanted", type_=Text()))
        .limit(_PORTS_SHOWN + 1)
    )


def mark_behind(rows: Sequence[Row], limit: int) -> Mark | None:
    """Return where the next page starts, None behind the last; `rows`: of a page with `limit` rows at most."""
    return (rows[-1]["not_after"], rows[-1]["fingerprint"]) if len(rows) == limit else None
