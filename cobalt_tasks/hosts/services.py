"""Which service runs on a port: each source's latest report is kept, and the best of those still fresh is shown.

Best is the highest rank (`records.FactRank`), then the latest. A report older than what its source reported since changes
nothing but the first time; so the result does not depend on the order in which reports come.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, Connection, Text, and_, select

from cobalt_tasks.core import recognition
from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.records import Banner, FactRank
from cobalt_tasks.db import bulk, counts
from cobalt_tasks.db.tables import ports, services
from cobalt_tasks.db.upserts import upsert, upsert_new
from cobalt_tasks.hosts import differences, port_states, updates

_FRESH_SECONDS: Final = 30 * DAY
"""By how much a report may be older than the latest of its port and still be shown."""

_KEY: Final[bulk.Columns] = {"address": Text(), "protocol": Text(), "port": BigInteger()}
_SHOWN: Final = ("service", "product", "version", "banner", "details")

Target = tuple[str, str, int]
"""Address, protocol, port."""


class _Report(Struct, kw_only=True):
    """What one source reports of a port."""

    address: str
    protocol: str
    port: int
    source: str
    rank: int
    service: str | None
    product: str | None
    version: str | None
    banner: str | None
    details: str | None
    first_seen: float
    last_seen: float

    def update(self, newer: "_Report") -> None:
        """Replace this report by a newer one, which may leave out what is the same."""
        is_same = newer.service is None or self.service in {None, newer.service}
        is_same_product = is_same and newer.product in {None, self.product}
        self.version = newer.version or (self.version if is_same_product else None)
        self.details = newer.details or (self.details if is_same_product else None)
        self.product = newer.product or (self.product if is_same else None)
        self.banner = newer.banner or (self.banner if is_same else None)
        self.service = newer.service or self.service


def write(connection: Connection, facts: Sequence[Banner]) -> list[Change]:
    """Store what `facts` report of services, show the best of each port with it, and return what changed."""
    if not facts:
        return []
    reports = [_report(fact) for fact in sorted(facts, key=lambda each: each.observed_at)]
    targets = sorted({_target(each) for each in reports})
    changes = _touch_ports(connection, reports)
    known = {(*_target(each), each.source, each.rank): each for each in _read(connection, targets)}
    shown = {target: _shown(each) for target, each in _by_target(known.values()).items()}
    changed: dict[tuple[Any, ...], _Report] = {}
    revised: dict[Target, float] = {}
    for each in reports:
        key = (*_target(each), each.source, each.rank)
        if (old := known.setdefault(key, each)) is not each:
            if each.last_seen >= old.last_seen:
                described, answered_at = _described(old), _answered_at(old, each)
                old.update(each)
                if _described(old) != described:
                    revised[_target(each)] = max(answered_at, revised.get(_target(each), 0.0))
            old.first_seen = min(old.first_seen, each.first_seen)
            old.last_seen = max(old.last_seen, each.last_seen)
        changed[key] = old
    upsert(connection, services, [_row(changed[key]) for key in sorted(changed)], replace=_SHOWN)
    by_target = _by_target(known.values())
    rows = [_shown(by_target[target]) for target in targets]
    upsert(connection, ports, rows, replace=_SHOWN)
    # Another source that describes the same otherwise is no change.
    found = _differences({target: shown[target] for target in revised if target in shown}, rows)
    return changes + _without_recognition(connection, found, revised)


def _described(report: _Report) -> tuple[str | None, ...]:
    return report.service, report.product, report.version


def _answered_at(old: _Report, new: _Report) -> float:
    """Return when a source has described the answer of the `new` report before; infinity: it is another answer."""
    return old.last_seen if old.banner and old.banner == new.banner else math.inf


def _without_recognition(
    connection: Connection, found: Sequence[Change], answered_at: Mapping[Target, float]
) -> list[Change]:
    """Return what changed on hosts. What newer recognisers make of the same answers is one change for all ports.

    connection: a transaction that writes; found: what differs; answered_at: of each port, from `_answered_at`.
    """
    if not found:
        return []
    since = recognition.changed_at()
    rest, others = [], set()
    for each in found:
        if answered_at[each.address, each.protocol, each.port] < since <= each.observed_at:
            others.add(each.address)
        else:
            rest.append(each)
    if others:
        day = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d")
        kind, text = ChangeKind.RECOGNITION_UPDATED, f"recognisers of {day}"
        updates.add(connection, Change(kind=kind, address="", observed_at=time.time(), new=text), text, len(others))
    return rest


def _by_target(reports: Iterable[_Report]) -> dict[Target, list[_Report]]:
    found: dict[Target, list[_Report]] = {}
    for report in reports:
        found.setdefault(_target(report), []).append(report)
    return found


def _differences(before: Mapping[Target, Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Return what changed in what is shown of ports."""
    found = []
    for row in rows:
        target = (row["address"], row["protocol"], row["port"])
        if old := before.get(target):
            shown = ("service", "product", "version")
            change = differences.of_service(
                target, row["last_seen"], [old[name] for name in shown], [row[name] for name in shown]
            )
            found += [change] if change else []
    return found


def _touch_ports(connection: Connection, reports: Sequence[_Report]) -> list[Change]:
    """Insert the ports, or lock those there are: until the transaction ends, no other changes what is known of them.

    Return the ports that are open now and were not before; a port that traffic shows is no change.
    """
    spans: dict[Target, tuple[float, float]] = {}
    for each in reports:
        first, last = spans.get(_target(each), (each.first_seen, each.last_seen))
        spans[_target(each)] = (min(first, each.first_seen), max(last, each.last_seen))
    rows = [_span(target, *spans[target]) for target in sorted(spans)]
    with counts.adding(connection, ports):
        new = set(upsert_new(connection, ports, rows))
    in_traffic = {_target(each) for each in reports if each.rank == FactRank.TRAFFIC}
    opened = [
        Change(kind=ChangeKind.PORT_OPENED, address=address, protocol=protocol, port=port, observed_at=spans[each][0])
        for each in sorted(new - in_traffic)
        for address, protocol, port in [each]
    ]
    return opened + port_states.reopen(connection, sorted(spans))


def _read(connection: Connection, targets: Sequence[Target]) -> list[_Report]:
    wanted = bulk.rows_of(connection, "wanted", _KEY)
    same = and_(*(services.c[name] == wanted.c[name] for name in _KEY))
    found = connection.execute(select(services).join(wanted, same), bulk.encode(targets))
    return [_Report(**row) for row in found.mappings()]


def _shown(reports: Sequence[_Report]) -> dict[str, object]:
    """Return the row of a port: the best report, and from the next ones of the same service what it leaves open."""
    latest = max(each.last_seen for each in reports)
    fresh = [each for each in reports if each.last_seen >= latest - _FRESH_SECONDS]
    fresh.sort(key=lambda each: (each.rank, each.last_seen, each.source), reverse=True)
    service = next((each.service for each in fresh if each.service), None)
    same = [each for each in fresh if each.service in {None, service}]
    described = next((each for each in same if each.product), None) or next(
        (each for each in same if each.version), None
    )
    return {
        **_span(_target(reports[0]), min(each.first_seen for each in reports), latest),
        "service": service,
        "product": described.product if described else None,
        "version": _version(described, same) if described else None,
        "details": described.details if described else next((each.details for each in same if each.details), None),
        "banner": next((each.banner for each in fresh if each.banner), None),
    }


def _version(described: _Report, others: Iterable[_Report]) -> str | None:
    """Return the version of the product that is shown: of the best of all sources that name this product.

    Args:
        described: the report whose product is shown.
        others: the reports of the same service, the best first.

    """
    if described.version or not described.product:
        return described.version
    return next((each.version for each in others if each.version and each.product == described.product), None)


def _report(fact: Banner) -> _Report:
    return _Report(
        address=fact.address,
        protocol=fact.protocol,
        port=fact.port,
        source=fact.source,
        rank=int(fact.rank),
        service=fact.service,
        product=fact.product,
        version=fact.version,
        banner=fact.text or None,
        details=fact.details,
        first_seen=fact.observed_at,
        last_seen=fact.observed_at,
    )


def _target(report: _Report) -> Target:
    return report.address, report.protocol, report.port


def _row(report: _Report) -> Mapping[str, object]:
    return {name: getattr(report, name) for name in report.__struct_fields__}


def _span(target: Target, first: float, last: float) -> dict[str, object]:
    return {**dict(zip(_KEY, target, strict=True)), "first_seen": first, "last_seen": last}
