"""The status in Prometheus's text format. Labels come from the catalog and the settings, never from input."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cobalt_tasks.views.health import PARTS
from cobalt_tasks.views.status import SystemStatus

_KNOWN = ("connections", "hosts", "ports", "domains", "certificates", "countries")
_OUTCOMES = ("accepted", "duplicates", "rejected", "ignored")


def render(status: SystemStatus) -> tuple[bytes, str]:
    """Return the text and its media type."""
    registry = CollectorRegistry()
    registry.register(_Collector(status))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector(Collector):
    def __init__(self, status: SystemStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        yield from _input(self._status)
        yield from _work(self._status)
        yield from _surroundings(self._status)


def _input(status: SystemStatus) -> Iterator[Metric]:
    records = CounterMetricFamily("cobalt_records", "Records read, by what became of them.", labels=["outcome"])
    for outcome in _OUTCOMES:
        records.add_metric([outcome], status.ledger[outcome])
    yield records
    yield CounterMetricFamily("cobalt_records_read", "Records read: the sum of cobalt_records.", status.ledger["read"])
    known = GaugeMetricFamily("cobalt_known", "What the ledger knows, by sort.", labels=["sort"])
    for name in _KNOWN:
        known.add_metric([name], getattr(status, name))
    yield known
    text = "Certificates in use that have expired, or expire within 30 days; of the 2,000 nearest of each."
    expiries = GaugeMetricFamily("cobalt_certificates", text, labels=["state"])
    expiries.add_metric(["expired"], status.certificates_expired)
    expiries.add_metric(["expiring"], status.certificates_expiring)
    yield expiries
    yield GaugeMetricFamily(
        "cobalt_geolocation_coverage", "Located hosts of those that may be.", status.geolocation.coverage
    )


def _work(status: SystemStatus) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("cobalt_jobs", "Jobs in the ledger.", labels=["kind", "state"])
    for kind, states in status.jobs.items():
        for state, count in states.items():
            jobs.add_metric([kind, state], count)
    yield jobs
    for name, text in (
        ("messages", "Messages waiting in Redis; absent while it does not answer."),
        ("jobs", "Jobs waiting in the ledger, sent or not."),
        ("oldest_seconds", "How long the first waiting job has been due."),
        ("started_per_minute", "Jobs started within the last minute."),
        ("finished_per_minute", "Jobs finished within the last minute."),
        ("minutes_behind", "Waiting jobs by the pace of the last minute; or how long the first has been due."),
    ):
        family = GaugeMetricFamily(f"cobalt_queue_{name}", text, labels=["queue"])
        for queue, depth in status.queues.items():
            value = getattr(depth, name)
            if value is not None:
                family.add_metric([queue], value)
        yield family
    yield GaugeMetricFamily(
        "cobalt_scoring_lag_observations",
        "Connections that scoring has not looked at yet.",
        status.scoring.observations,
    )
    yield GaugeMetricFamily(
        "cobalt_scoring_lag_seconds", "How long the oldest input of scoring has waited.", status.scoring.seconds
    )


def _surroundings(status: SystemStatus) -> Iterator[Metric]:
    remaining = GaugeMetricFamily(
        "cobalt_provider_remaining", "Calls left in the tightest window.", labels=["provider"]
    )
    breaker = GaugeMetricFamily("cobalt_provider_open", "1 while the circuit breaker is open.", labels=["provider"])
    for name, provider in status.providers.items():
        breaker.add_metric([name], provider.open)
        if provider.remaining is not None:
            remaining.add_metric([name], provider.remaining)
    yield remaining
    yield breaker
    workers = GaugeMetricFamily("cobalt_workers", "Workers that answer, by queue.", labels=["queue"])
    for queue in status.queues:
        workers.add_metric([queue], sum(worker.alive and queue in worker.queues for worker in status.workers))
    yield workers
    able = int(status.health.able)
    yield GaugeMetricFamily("cobalt_able", "1 while work can be done at all, as in /api/health.", able)
    troubles = GaugeMetricFamily("cobalt_troubles", "How many things are wrong, by part.", labels=["part"])
    for part in PARTS:
        troubles.add_metric([part], len(status.health.of(part)))
    yield troubles
    yield GaugeMetricFamily("cobalt_broker_up", "1 while Redis answers.", int(status.broker is None))
