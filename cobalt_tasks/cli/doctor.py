"""`cobalt doctor`: is everything there that work needs?"""

import time
from typing import TYPE_CHECKING

import click

from cobalt_tasks.catalog import DAY
from cobalt_tasks.errors import CobaltError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cobalt_tasks.settings import Settings

_WORKER_SECONDS = 2.0
_LATE_SWEEPS = 10


@click.command(epilog="Example: cobalt doctor && echo all is well")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--worker", "only", flag_value="worker", help="Only ask whether this host's own worker answers.")
@click.option("--sweep", "only", flag_value="sweep", help="Only ask whether beat has a sweep done every few seconds.")
def doctor(as_json: bool, only: str | None) -> int:
    """Check the settings, the database, Redis, the workers and the geolocation data; exit 1 when one is missing."""
    import msgspec

    checks = {only: {**_CHECKS, "worker": _host_worker}[only]} if only else _CHECKS
    findings = {name: _examine(check) for name, check in checks.items()}
    if as_json:
        click.echo(msgspec.json.encode({name: {"ok": ok, "says": says} for name, (ok, says) in findings.items()}))
    else:
        for name, (ok, says) in findings.items():
            click.echo(f"{'ok ' if ok else 'NOT'} {name:<12} {says}")
    return 0 if all(ok for ok, _ in findings.values()) else 1


def _examine(check: "Callable[[Settings], str]") -> tuple[bool, str]:
    from cobalt_tasks import settings as environment

    try:
        return True, check(environment.load())
    except CobaltError as error:
        return False, str(error)


def _settings(settings: "Settings") -> str:
    from tempfile import TemporaryFile

    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        TemporaryFile(dir=settings.home).close()
    except OSError as error:
        raise CobaltError(f"COBALT_HOME: {settings.home} cannot be used: {error.strerror}") from error
    return f"state in {settings.home}"


def _scope(settings: "Settings") -> str:
    from cobalt_tasks.addresses import Scope

    return Scope(settings.scope, settings.exclude).in_words()


def _database(settings: "Settings") -> str:
    from cobalt_tasks.storage import schema

    database = schema.open_ledger(settings)
    return f"{database.engine.dialect.name}, revision {schema.HEAD}"


def _broker(settings: "Settings") -> str:
    from cobalt_tasks.broker import Broker

    started = time.monotonic()
    Broker(settings).ping()
    return f"answers in {(time.monotonic() - started) * 1000:.0f} ms"


def _workers(settings: "Settings") -> str:
    from cobalt_tasks.broker import QUEUES, Broker

    workers = Broker(settings).workers(_WORKER_SECONDS)
    missing = set(QUEUES) - {queue for worker in workers for queue in worker.queues}
    if missing:
        raise CobaltError(f"no worker takes from {', '.join(sorted(missing))}")
    return f"{len(workers)} answer"


def _sweep(settings: "Settings") -> str:
    from cobalt_tasks.storage import locks, schema
    from cobalt_tasks.timing import SWEEP_SECONDS

    with schema.open_ledger(settings).reading() as connection:
        age = locks.last_taken(connection, "sweep")
    if age is None or age > _LATE_SWEEPS * SWEEP_SECONDS:
        raise CobaltError("no sweep is being done: start celery -A cobalt_tasks beat, and a worker with -Q control")
    return "done every few seconds"


def _geodb(settings: "Settings") -> str:
    if "mmdb" not in settings.geo_providers:
        return "not wanted by COBALT_GEO_PROVIDERS"
    from cobalt_tasks.geolocation.mmdb import LocalDatabases

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


_CHECKS: "dict[str, Callable[[Settings], str]]" = {
    "settings": _settings,
    "scope": _scope,
    "database": _database,
    "broker": _broker,
    "workers": _workers,
    "sweep": _sweep,
    "geolocation": _geodb,
}
