"""`cobalt doctor` names what is broken, and nothing else; compose asks the same command whether a worker is healthy."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from cobalt_tasks.cli import main
from cobalt_tasks.core import settings as environment
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.jobs.dispatcher import Dispatcher
from cobalt_tasks.jobs.reaper import sweep
from tests.support.worker import Worker

Doctor = Callable[..., tuple[int, dict[str, dict[str, object]]]]

GARBAGE = b"this is no database" * 100


@pytest.fixture
def doctor(
    capsys: pytest.CaptureFixture[str], home: Path, redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Doctor:
    """Runs `cobalt doctor --json` on a Redis and a ledger that are well; returns its exit code and what it found."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    monkeypatch.setattr("cobalt_tasks.cli.doctor._WORKER_SECONDS", 0.7)

    def run(*options: str) -> tuple[int, dict[str, dict[str, object]]]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--json", *options])
        return int(str(ended.value.code)), json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def ledger(doctor: Doctor) -> Iterator[Database]:
    """The ledger it looks at."""
    database = open_ledger(environment.load())
    yield database
    database.dispose()


@pytest.fixture
def worker(doctor: Doctor, home: Path) -> Iterator[Worker]:
    """A worker under the name that compose gives it."""
    started = Worker(home, "-c", "1", "-n", "celery@%h")
    yield started
    started.kill()


@pytest.mark.parametrize(
    ("variable", "value", "check", "says"),
    [
        ("COBALT_HOME", "/proc/nothing", "settings", "COBALT_HOME: /proc/nothing cannot be used"),
        ("COBALT_DATABASE_URL", "mysql://root@127.0.0.1/x", "database", "COBALT_DATABASE_URL: use sqlite:///FILE"),
        ("COBALT_DATABASE_URL", "nonsense", "database", "COBALT_DATABASE_URL: use sqlite:///FILE"),
        ("COBALT_DATABASE_URL", "sqlite:////proc/nothing/x.db", "database", "/proc/nothing cannot be used"),
        ("COBALT_DATABASE_URL", "postgresql://127.0.0.1:1/x", "database", "the database does not answer"),
        ("COBALT_BROKER_URL", "redis://127.0.0.1:1/0", "broker", "Redis does not answer"),
        ("COBALT_BROKER_URL", "nonsense", "broker", "COBALT_BROKER_URL: use redis://"),
        ("COBALT_BROKER_URL", "redis://:secret@127.0.0.1:99999/0", "broker", "COBALT_BROKER_URL: its host or port"),
    ],
)
def test_each_broken_thing_is_named(  # noqa: PLR0917  # a table of four columns
    doctor: Doctor,
    ledger: Database,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    check: str,
    says: str,
) -> None:
    """One clear line about it, without a password, and exit code 1; what does not depend on it is well."""
    monkeypatch.setenv(variable, value)
    code, found = doctor()
    assert code == 1
    assert not found[check]["ok"]
    assert says in str(found[check]["says"])
    assert "secret" not in str(found)
    # Settings that cannot be read leave nothing to look at.
    is_readable = says not in str(found["settings"]["says"]) or variable == "COBALT_HOME"
    others = "database" if check != "database" and variable != "COBALT_HOME" else "broker"
    assert found[others]["ok"] is is_readable


def test_a_scope_that_cannot_be_read_is_named(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing works without it: every check says so."""
    monkeypatch.setenv("COBALT_SCOPE", "192.0.2.0/33")
    code, found = doctor()
    assert code == 1
    assert all("COBALT_SCOPE: '192.0.2.0/33'" in str(each["says"]) for each in found.values())


def test_scope_and_exclusions_are_shown(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, so that a typo that is a network all the same is seen before anything is probed."""
    monkeypatch.setenv("COBALT_SCOPE", "::ffff:127.0.0.0/104")
    monkeypatch.setenv("COBALT_EXCLUDE", "127.0.0.9")
    _, found = doctor()
    assert found["scope"]["ok"]
    assert "only 127.0.0.0/8" in str(found["scope"]["says"])
    assert "never, not even looked up: 127.0.0.9" in str(found["scope"]["says"])


def test_a_damaged_ledger_is_told(doctor: Doctor, sqlite_url: str) -> None:
    """A file that is no database is no reason for a traceback. Break: DatabaseError in engine._unavailable."""
    Path(sqlite_url.removeprefix("sqlite:///")).write_bytes(GARBAGE)
    code, found = doctor()
    assert code == 1
    assert "not a database" in str(found["database"]["says"])


def test_a_table_that_lacks_a_column_is_told(doctor: Doctor, ledger: Database) -> None:
    """What can be written to somewhere is not well: page and doctor read the same facts."""
    ledger.write(lambda connection: connection.execute(text("ALTER TABLE jobs RENAME COLUMN level TO other")))
    code, found = doctor()
    assert code == 1
    assert "level" in str(found["database"]["says"])
    assert not found["work"]["ok"]


def test_a_damaged_geolocation_database_is_told(doctor: Doctor, home: Path) -> None:
    """A file that merely has the right name is not enough."""
    (home / "geodb").mkdir()
    (home / "geodb" / "city.mmdb").write_bytes(GARBAGE)
    _, found = doctor()
    assert "no local database that can be read" in str(found["geolocation"]["says"])


def test_workers_and_sweeps_are_missed(doctor: Doctor, worker: Worker, ledger: Database) -> None:
    """All is well with a worker of every queue and a sweep; each is missed when it is not there."""
    _, found = doctor()
    assert (found["workers"]["ok"], found["sweep"]["ok"]) == (True, False)
    dispatcher = Dispatcher(ledger, environment.load())
    sweep(ledger, dispatcher)
    dispatcher.broker.close()
    assert doctor("--sweep") == (0, {"sweep": {"ok": True, "says": "done every few seconds"}})
    worker.kill()
    _, found = doctor()
    assert (found["workers"]["ok"], found["sweep"]["ok"]) == (False, True)
    assert "banner, certificate, domain, geolocation" in str(found["workers"]["says"])


def test_the_healthcheck_tells_a_worker_that_answers_from_one_that_does_not(doctor: Doctor, worker: Worker) -> None:
    """`cobalt doctor --worker`, as compose asks in each container: stopped is as bad as gone."""
    name = f"celery@{socket.gethostname()}"
    assert doctor("--worker") == (0, {"worker": {"ok": True, "says": f"{name} answers"}})
    psutil.Process(worker.process.pid).suspend()
    assert doctor("--worker") == (1, {"worker": {"ok": False, "says": f"{name} does not answer"}})
