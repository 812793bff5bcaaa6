"""Which service runs on a port: each source's latest report is kept, and the best of those still fresh is shown.

Best is the highest rank (`records.FactRank`), then the latest. A report older than what its source reported since changes
nothing but the first time; so the result does not depend on the order in which reports come.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import BigInteger, Connection, Text, and_, select

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.records import Banner
from cobalt_tasks.db import bulk, counts
from cobalt_tasks.db.tables import ports, services
from cobalt_tasks.db.upserts import upsert

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


def write(connection: Connection, facts: Sequence[Banner]) -> None:
    """Store what `facts` report of services, and show the best of each port with it."""
    if not facts:
        return
    reports = [_report(fact) for fact in sorted(facts, key=lambda each: each.observed_at)]
    targets = sorted({_target(each) for each in reports})
    _touch_ports(connection, reports)
    known = {(*_target(each), each.source, each.rank): each for each in _read(connection, targets)}
    changed = {}
    for each in reports:
        key = (*_target(each), each.source, each.rank)
        if (old := known.setdefault(key, each)) is not each:
            if each.last_seen >= old.last_seen:
                old.update(each)
            old.first_seen = min(old.first_seen, each.first_seen)
            old.last_seen = max(old.last_seen, each.last_seen)
        changed[key] = old
    upsert(connection, services, [_row(changed[key]) for key in sorted(changed)], replace=_SHOWN)
    by_target: dict[Target, list[_Report]] = {}
    for report in known.values():
        by_target.setdefault(_target(report), []).append(report)
    upsert(connection, ports, [_shown(by_target[target]) for target in targets], replace=_SHOWN)


def _touch_ports(connection: Connection, reports: Iterable[_Report]) -> None:
    """Insert the ports, or lock those there are: until the transaction ends, no other changes what is known of them."""
    spans: dict[Target, tuple[float, float]] = {}
    for each in reports:
        first, last = spans.get(_target(each), (each.first_seen, each.last_seen))
        spans[_target(each)] = (min(first, each.first_seen), max(last, each.last_seen))
    rows = [_span(target, *spans[target]) for target in sorted(spans)]
    with counts.adding(connection, ports):
        upsert(connection, ports, rows)


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
        "version": described.version if described else None,
        "details": described.details if described else next((each.details for each in same if each.details), None),
        "banner": next((each.banner for each in fresh if each.banner), None),
    }


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
