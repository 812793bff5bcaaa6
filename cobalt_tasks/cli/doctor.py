"""`cobalt doctor`: is everything there that work needs?"""

import time
from functools import cache
from typing import TYPE_CHECKING

import click

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.views import documents
from cobalt_tasks.views.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cobalt_tasks.core.settings import Settings
    from cobalt_tasks.views.health import HealthReport

_WORKER_SECONDS = 2.0
_PROBE_BYTES = 2**16
_ASKS_WORKERS = frozenset({"workers", "work", "clock"})


@click.command(
    epilog="Example: cobalt doctor && echo all is well",
    short_help="Check settings, database, Redis, workers, geolocation data.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --settings, one a line.")
@click.option("--worker", "only", flag_value="worker", help="Only ask whether this host's own worker answers.")
@click.option("--sweep", "only", flag_value="sweep", help="Only ask whether beat has a sweep done every few seconds.")
@click.option(
    "--settings", "lists", is_flag=True, help="Only list every setting: its value, what to write, what it does."
)
def doctor(as_json: bool, only: str | None, lists: bool) -> int:
    """Check the settings, the database, Redis, the workers and the geolocation data; exit 1 when one is missing."""
    if lists:
        return _list_settings(as_json)
    _verdict.cache_clear()
    checks = {only: {**_CHECKS, "worker": _host_worker}[only]} if only else _CHECKS
    findings = {name: _examine(check) for name, check in checks.items()}
    if as_json:
        documents.print_object({name: {"ok": ok, "says": says} for name, (ok, says) in findings.items()})
    else:
        for name, (ok, says) in findings.items():
            click.echo(f"{'ok ' if ok else 'NOT'} {name:<12} {printable(says)}")
    return 0 if all(ok for ok, _ in findings.values()) else 1


def _list_settings(as_json: bool) -> int:
    """Print every setting; of a secret only whether it is set."""
    from cobalt_tasks.core import settings as environment

    environment.load()
    rows = list(environment.listed())
    if as_json:
        documents.print_list(rows)
        return 0
    for row in rows:
        click.echo(f"{row.name}={printable(row.now)}\n    {row.value}; default: {row.default}\n    {row.meaning}")
    return 0


def _examine(check: "Callable[[Settings], str]") -> tuple[bool, str]:
    from cobalt_tasks.core import settings as environment

    try:
        return True, check(environment.load())
    except CobaltError as error:
        return False, str(error)


def _settings(settings: "Settings") -> str:
    from tempfile import TemporaryFile

    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with TemporaryFile(dir=settings.home) as probe:
            probe.write(bytes(_PROBE_BYTES))
    except OSError as error:
        raise CobaltError(f"COBALT_HOME: {settings.home} cannot be used: {error.strerror}") from error
    return f"state in {settings.home}"


def _scope(settings: "Settings") -> str:
    from cobalt_tasks.core.addresses import Scope

    return Scope(settings.scope, settings.exclude).in_words()


def _asks(settings: "Settings") -> str:
    from cobalt_tasks.geolocation import privacy

    return "; ".join(privacy.in_words(settings))


def _database(settings: "Settings") -> str:
    from cobalt_tasks.db import locks, schema
    from cobalt_tasks.hosts import stats
    from cobalt_tasks.views import health
    from cobalt_tasks.views.status_tables import NEXT_STEP

    database = schema.existing_ledger(settings)
    # A table that was changed by hand may leave what is written below as it was.
    health.require_ledger(database)
    # A full disk can still be read.
    database.write(locks.take, "doctor", 0.0)
    with database.reading() as connection:
        is_empty = not stats.ledger_sum(connection)["sources"]
    hint = f"; {NEXT_STEP}" if is_empty else ""
    return f"{database.engine.dialect.name}, revision {schema.HEAD}, can be written{hint}"


def _broker(settings: "Settings") -> str:
    from cobalt_tasks.jobs.broker import Broker

    started = time.monotonic()
    Broker(settings).ping()
    return f"answers in {(time.monotonic() - started) * 1000:.0f} ms"


@cache
def _verdict(settings: "Settings", *, with_workers: bool) -> "HealthReport":
    """Return the health that the page and `cobalt status` show; asking workers takes a few seconds."""
    from contextlib import suppress

    from cobalt_tasks.db import schema
    from cobalt_tasks.jobs.broker import Broker
    from cobalt_tasks.views import health

    workers, trouble, ledger = [], None, None
    try:
        workers = Broker(settings).workers(_WORKER_SECONDS) if with_workers else []
    except CobaltError as error:
        trouble = str(error)
    with suppress(CobaltError):
        ledger = health.read_ledger(schema.existing_ledger(settings))
    return health.judge(health.collect(ledger, settings, workers, trouble))


def _part(part: str, well: str) -> "Callable[[Settings], str]":
    """Return the check of one part of the health: `well` is the text if nothing is wrong."""

    def check(settings: "Settings") -> str:
        # What makes everything else unknown is named once, by its own check.
        if part == "workers":
            _broker(settings)
        if part in {"work", "sweep"}:
            _database(settings)
        verdict = _verdict(settings, with_workers=part in _ASKS_WORKERS)
        if troubles := verdict.of(part):
            raise CobaltError("; ".join(troubles))
        return "; ".join([well, *verdict.notes]) if part == "work" else well

    return check


def _geodb(settings: "Settings") -> str:
    if "mmdb" not in settings.geo_providers:
        return "not wanted by COBALT_GEO_PROVIDERS"
    from cobalt_tasks.geolocation.local.mmdb import LocalDatabases

    databases = LocalDatabases(settings.geodb_folder)
    if not databases.refresh() or databases.built is None:
        raise CobaltError(f"no local database that can be read in {settings.geodb_folder}: run cobalt geodb update")
    return f"built {(time.time() - databases.built) / DAY:.0f} days ago, in {settings.geodb_folder}"


def _host_worker(settings: "Settings") -> str:
    import socket

    _broker(settings)
    from cobalt_tasks.celery import app

    name = f"celery@{socket.gethostname()}"
    try:
        answers = app.control.ping(destination=[name], timeout=_WORKER_SECONDS)
    except Exception as error:
        raise CobaltError(f"Redis does not answer: {error}") from error
    if not answers:
        raise CobaltError(f"{name} does not answer")
    return f"{name} answers"


def _journals(settings: "Settings") -> str:
    from cobalt_tasks.ingest.streams import leftover

    if found := leftover.find(settings.journal_folder):
        raise CobaltError(leftover.summary(found))
    return "none waits"


def _alerts(settings: "Settings") -> str:
    from cobalt_tasks.alerts import config

    alerting = config.load(settings.home)
    if troubles := _verdict(settings, with_workers=False).of("alerts"):
        raise CobaltError("; ".join(troubles))
    if alerting is None:
        return f"none: there is no {config.FILE}"
    if alerting.warnings:
        raise CobaltError("; ".join(alerting.warnings))
    return (
        f"{len(alerting.rules)} rules, {len(alerting.expected)} expected scans, all messages delivered or on their way"
    )


_CHECKS: "dict[str, Callable[[Settings], str]]" = {
    "settings": _settings,
    "scope": _scope,
    "asks": _asks,
    "database": _database,
    "broker": _broker,
    "workers": _part("workers", "answer, for every queue"),
    "work": _part("work", "what is due gets done"),
    "sweep": _part("sweep", "done every few seconds"),
    "disk": _part("disk", "enough is free"),
    "clock": _part("clock", "not stepped lately"),
    "alerts": _alerts,
    "geolocation": _geodb,
    "journals": _journals,
}
