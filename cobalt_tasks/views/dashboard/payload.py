"""The documents of /api/data and /api/health. Programs rely on their keys: new ones may be added, none renamed."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.hosts.stats import Traffic
from cobalt_tasks.jobs.rounds import SWEEP
from cobalt_tasks.threat.zones import Zone
from cobalt_tasks.views.health import (
    BROKER,
    CLOCK,
    DATABASE,
    DISK,
    FULL_DISK,
    LOW_DISK,
    SWEEPS,
    WORKERS,
    HealthInputs,
    HealthReport,
    queue_ages,
    stalled_kinds,
)
from cobalt_tasks.views.status import SystemStatus

DEGRADED_AFTER = 15.0
DEAD_AFTER = 30.0

GEOLOCATION = "geolocation"
_LONGEST_TEXT = 256
_UNKNOWN_COUNTRY = "??"
_COMPONENTS = {DATABASE: "database", BROKER: "broker", WORKERS: "workers", SWEEPS: "sweep", DISK: "disk"}
"""Where each part of a verdict shows: what is wrong with a part is never behind a component that looks well."""

_PERCENTAGES = {"ACTIVE": 100, "DEGRADED": 50, "DEAD": 0}

Document = dict[str, Any]


class Component(Struct, frozen=True, kw_only=True):
    """ACTIVE, DEGRADED (no sign for 15 s) or DEAD (for 30 s); the age of its last sign in seconds, None for never."""

    status: str
    health_percentage: int
    last_beat_age: float | None


class Health(Struct, frozen=True, kw_only=True):
    """The components, and the mean of all but the input from 0 to 1, since a quiet network is not a fault; 0 if
    no work can be done. `reasons`: what is wrong, in words, the worst first.
    """

    overall: float
    reasons: Sequence[str]
    components: dict[str, Component]


class LiveData(Struct, frozen=True, kw_only=True):
    """The answer of /api/data.

    `connections` arrived within the last minute, the newest first; `latest_connections` are the newest of all when
    there are none of those. Counts are of all rows, not of those in the lists.
    """

    timestamp: float
    connections: Sequence[Document]
    latest_connections: Sequence[Document]
    geo_intelligence: Document
    system_health: Health
    metrics: Document
    integration_status: dict[str, str]
    status: SystemStatus


def data(  # noqa: PLR0913  # the parts of one document
    *,
    status: SystemStatus,
    recent: Traffic,
    rows: Sequence[Mapping[str, Any]],
    latest: Sequence[Mapping[str, Any]],
    health: Health,
    uptime: float,
    last_input_age: float | None,
    zones: Sequence[Zone] = (),
) -> LiveData:
    """Return the document. Without findings, scores are 0 and there are no zones.

    Args:
        status: of the whole system.
        recent: figures of the connections of the last minute.
        rows: those connections, the newest first.
        latest: the newest connections of all, if there are none in the last minute.
        health: of the components.
        uptime: seconds since this process started.
        last_input_age: seconds since the last record was stored; None for never.
        zones: where risky hosts are.

    """
    connections = [connection(row) for row in rows]
    components = health.components
    return LiveData(
        timestamp=time.time(),
        connections=connections,
        latest_connections=[connection(row) for row in latest],
        geo_intelligence={
            "threat_zones": zones,
            "statistics": {"total_countries": status.countries, "active_threats": recent.threats},
        },
        system_health=health,
        metrics=_metrics(status, recent)
        | {
            "threat_zones": len(zones),
            "uptime": uptime,
            "buffer_age": last_input_age,
        },
        integration_status={
            "database": _integration(components["database"]),
            "geo_engine": _integration(components["geo_engine"]),
            "connection_monitor": _integration(components["connection_monitor"]),
        },
        status=status,
    )


def _metrics(status: SystemStatus, recent: Traffic) -> Document:
    return {
        "total_connections": status.connections,
        "recent_connections": recent.connections,
        "active_countries": recent.countries,
        "geo_queue_size": status.queues["geolocation"].jobs,
        "scoring_lag": status.scoring,
    }


def connection(row: Mapping[str, Any]) -> Document:
    """Return one connection; `timestamp` is its arrival. An unknown country is "??", unknown coordinates are null.

    `scored` is False for a host that was not scored yet; its `threat_score` is 0 then. `reputation` was never checked.
    `dst_public` is False for an address without a place: private, link-local, multicast and the like.
    """
    return {
        "id": row["id"],
        "timestamp": row["arrived_at"],
        "observed_at": row["observed_at"],
        "source": row["source"],
        "src_ip": row["src_ip"],
        "src_port": row["src_port"],
        "dst_ip": row["dst_ip"],
        "dst_port": row["dst_port"],
        "dst_public": is_public(row["dst_ip"]),
        "dst_country": row["dst_country_code"] or _UNKNOWN_COUNTRY,
        "dst_country_name": row["dst_country_name"],
        "dst_city": row["dst_city"],
        "dst_lat": row["dst_latitude"],
        "dst_lon": row["dst_longitude"],
        "dst_asn": row["dst_asn"],
        "dst_org": _brief(row["dst_organisation"] or row["dst_isp"]),
        "dst_hostname": row["dst_hostname"],
        "protocol": row["protocol"].upper(),
        "process": _brief(row["process"]),
        "geo_failed": row["geo_failed"],
        "threat_score": row["dst_score"] or 0.0,
        "scored": row["dst_score"] is not None,
        "reputation": {},
    }


def _brief(text: str | None) -> str | None:
    """Return a text of a peer or a tool as far as a list of thousands may show it."""
    return text if text is None else text[:_LONGEST_TEXT]


def health(facts: HealthInputs, verdict: HealthReport, input_age: float | None) -> Health:
    """Judge the components: by an answer just now, or by the age of the last sign of life.

    Args:
        facts: what is known.
        verdict: what they mean; where nothing can be done, the whole is 0 whatever still answers.
        input_age: seconds since anything last came in, None for never.

    """
    sweep = facts.ledger.rounds.get(SWEEP) if facts.ledger else None
    stalled = stalled_kinds(facts)
    components = {
        "database": _by_answer(answers=facts.ledger is not None),
        "geo_engine": _dead() if GEOLOCATION in stalled else _by_age(queue_ages(facts)[GEOLOCATION]),
        "dashboard": _by_answer(answers=True),
        "connection_monitor": _by_age(input_age),
        "broker": _by_answer(answers=facts.broker_trouble is None),
        "workers": _workers(facts, verdict, stalled),
        "sweep": _by_age(sweep.ended if sweep else None),
        "disk": _disk(facts),
    }
    for part, name in _COMPONENTS.items():
        if verdict.of(part) and components[name].status == "ACTIVE":
            age = components[name].last_beat_age
            components[name] = Component(status="DEGRADED", health_percentage=50, last_beat_age=age)
    judged = [component.health_percentage for name, component in components.items() if name != "connection_monitor"]
    # A clock has no component of its own, and what it breaks may not show yet.
    judged.append(50 if verdict.of(CLOCK) else 100)
    overall = sum(judged) / (100 * len(judged)) if verdict.able else 0.0
    return Health(overall=overall, reasons=[reason.text for reason in verdict.reasons], components=components)


def _workers(facts: HealthInputs, verdict: HealthReport, stalled: Sequence[str]) -> Component:
    """Return how the workers are: as the queue that went longest without one, and no better than what they get done."""
    taken = queue_ages(facts)
    ages = [taken[kind.name] for kind in KINDS]
    workers = _by_age(max(ages))
    is_partly = workers.status == "DEAD" and any(age < DEGRADED_AFTER for age in ages)
    if stalled and not verdict.able:
        return _dead()
    if is_partly or (workers.status == "ACTIVE" and (stalled or verdict.of(WORKERS))):
        return Component(status="DEGRADED", health_percentage=50, last_beat_age=min(ages))
    return workers


def _disk(facts: HealthInputs) -> Component:
    free = min((each.free for each in facts.disks), default=LOW_DISK)
    word = "ACTIVE" if free >= LOW_DISK else "DEGRADED" if free >= FULL_DISK else "DEAD"
    return Component(status=word, health_percentage=_PERCENTAGES[word], last_beat_age=0.0)


def _by_answer(*, answers: bool) -> Component:
    return _by_age(0.0) if answers else _dead()


def _by_age(age: float | None) -> Component:
    if age is None or math.isinf(age):
        return _dead()
    word = "ACTIVE" if age < DEGRADED_AFTER else "DEGRADED" if age < DEAD_AFTER else "DEAD"
    return Component(status=word, health_percentage=_PERCENTAGES[word], last_beat_age=age)


def _dead() -> Component:
    return Component(status="DEAD", health_percentage=0, last_beat_age=None)


def _integration(component: Component) -> str:
    return "STANDBY" if component.status == "DEAD" else "ACTIVE"
