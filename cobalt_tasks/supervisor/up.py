"""Starts the parts in order, restarts them when needed, shows progress, and ends them in the opposite order."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cobalt_tasks.core import access
from cobalt_tasks.core.catalog import POOLS
from cobalt_tasks.core.errors import BrokerUnavailableError, DatabaseUnavailableError
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.records import ACTIVE_STATES
from cobalt_tasks.core.settings import Settings, environment
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.geolocation import privacy
from cobalt_tasks.geolocation.local import manifest
from cobalt_tasks.hosts import stats
from cobalt_tasks.jobs.broker import Broker
from cobalt_tasks.supervisor import demo, redis_server
from cobalt_tasks.supervisor.children import Child, Command
from cobalt_tasks.supervisor.progress import JobProgress
from cobalt_tasks.supervisor.restarts import Restarts, last_line
from cobalt_tasks.supervisor.state import locked, require_free, subfolder
from cobalt_tasks.supervisor.sweep_watchdog import Watched, watched
from cobalt_tasks.supervisor.terminal import print_line

_TICK = 0.25
_BROKER_SECONDS = 15.0
_CLEAN_INGEST = (0, 3)
_FLOWER_CONFIG = Path(__file__).parents[1] / "flowerconfig.py"
_CONTROL_PROCESSES = 3
"""Three, so that neither scoring nor a slow receiver of alerts delays the sweep."""
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = logging.getLogger(__name__)


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked `cobalt up` to do."""

    host: str = "127.0.0.1"
    port: int = 8080
    flower_port: int = 5555
    concurrency: int = 2
    demo: bool = False
    once: bool = False


class StopRequested(Exception):  # noqa: N818  # a request, not an error
    """Ctrl-C, SIGTERM, or the SIGHUP of a terminal that is closed."""


def run(settings: Settings, options: UpOptions, *, own_broker: bool) -> int:
    """Run everything until it is stopped, or with `once` until every job is final; return the exit code.

    settings: of this installation; options: what the user asked for; own_broker: start a Redis, since none was named.

    Raises:
        AlreadyRunningError, ConfigurationError: it cannot be started here.

    """
    access.require_login(settings, options.host, "the page", "COBALT_NO_LOGIN=true")
    with locked(settings.home):
        require_free(options.port, "--port")
        require_free(options.flower_port, "--flower-port")
        first = [redis_server.command(settings)] if own_broker else []
        everything = _Everything(settings, options)
        for number in _STOPPING:
            # What is ignored from the start stays so: `nohup cobalt up` outlives its terminal.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stop)
        return everything.run(first)


class _Everything:
    def __init__(self, settings: Settings, options: UpOptions) -> None:
        self._settings = demo.settings_for_lab(settings) if options.demo else settings
        self._options = options
        self._logs = subfolder(settings.home, "logs")
        self._environment = environment(self._settings)
        self._children: list[Child] = []
        self._ingests: list[Child] = []
        self._count_at = 0.0
        self._database_is_away = False
        self._watched: list[Watched] = []
        self._restarts: Restarts | None = None

    def run(self, first: Sequence[Command]) -> int:
        try:
            database = self._start(first)
            return self._watch(database)
        except StopRequested:
            print_line("stopping …")
            return 0
        finally:
            self._end()

    def _start(self, first: Sequence[Command]) -> Database:
        options = self._options
        for command in first:
            self._add(command)
        _wait_for_broker(self._settings)
        database = open_ledger(self._settings)
        if options.demo:
            self._fetch_geodb()
            self._add(Command(name="lab", argv=[sys.executable, "-m", "cobalt_tasks.lab"]))
        for command in _services(options):
            self._add(command)
        self._watched = watched(database, Broker(self._settings))
        self._restarts = Restarts(database, print_line)
        for command in self._inputs():
            self._ingests.append(self._add(command))
        self._announce()
        return database

    def _add(self, command: Command) -> Child:
        child = Child(command, self._logs, self._environment, self._settings.home)
        child.start()
        self._children.append(child)
        return child

    def _inputs(self) -> list[Command]:
        cobalt = [sys.executable, "-m", "cobalt_tasks"]
        if self._options.demo:
            scan, capture = demo.write_inputs(self._settings.home / "demo")
            return [
                Command(name="ingest-scan", argv=[*cobalt, "ingest", "masscan", str(scan)], restart=False),
                Command(name="ingest-capture", argv=[*cobalt, "ingest", "capture", str(capture)], restart=False),
            ]
        # What an earlier run journaled and did not store comes first.
        resume = [*cobalt, "ingest", "--resume"]
        if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
            return [Command(name="ingest", argv=resume, restart=False)] if self._has_journals() else []
        return [Command(name="ingest", argv=[*resume, "auto", "-"], restart=False, stdin=sys.stdin.buffer)]

    def _has_journals(self) -> bool:
        folder = self._settings.journal_folder
        return folder.is_dir() and any(folder.iterdir())

    def _fetch_geodb(self) -> None:
        if self._settings.offline or manifest.load(self._settings.geodb_folder).databases:
            return
        done = subprocess.run(
            [sys.executable, "-m", "cobalt_tasks", "geodb", "update"],
            env=self._environment,
            check=False,
        )
        if done.returncode:
            print_line(
                "NO GEOLOCATION DATA: addresses are located by online providers only, or not at all. "
                "Try again later with: cobalt geodb update",
                is_warning=True,
            )

    def _announce(self) -> None:
        print_line(f"Cobalt is running on {self._settings.home}")
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        print_line(f"  page    http://{host}:{self._options.port}")
        print_line(f"  Flower  http://{host}:{self._options.flower_port}")
        print_line(f"  logs    {self._logs}")
        for line in privacy.in_words(self._settings):
            print_line(f"  asks    {line}")

    def _watch(self, database: Database) -> int:
        finite = bool(self._ingests)
        with JobProgress(enabled=finite) as progress:
            while finite and not self._is_finished(database, progress):
                self._tend()
        failed = [child for child in self._ingests if child.exit_code() not in _CLEAN_INGEST]
        if finite:
            self._show_status()
        for child in failed:
            print_line(f"cobalt: {child.command.name} failed, see {child.log_file}")
        if self._options.once:
            return 1 if failed else 0
        print_line("serving; Ctrl-C stops it")
        while True:
            self._tend()

    def _is_finished(self, database: Database, progress: JobProgress) -> bool:
        began = time.monotonic()
        if began < self._count_at:
            return False
        counts = self._counts(database)
        if counts is None:
            return False
        # To count a large ledger takes a while: at most a tenth of the time.
        self._count_at = began + 10 * (time.monotonic() - began)
        progress.show(counts)
        if any(child.exit_code() is None for child in self._ingests):
            return False
        return not any(states.get(state) for states in counts.values() for state in ACTIVE_STATES)

    def _counts(self, database: Database) -> dict[str, dict[str, int]] | None:
        """Return the jobs by kind and state; None while the database does not answer, which is reported once."""
        try:
            counts = _job_counts(database)
        except DatabaseUnavailableError as error:
            if not self._database_is_away:
                print_line(f"{error}; work goes on when it does")
            self._database_is_away = True
            time.sleep(_TICK)
            return None
        if self._database_is_away:
            print_line("the database answers again")
        self._database_is_away = False
        return counts

    def _tend(self) -> None:
        for each in self._watched:
            if each.watchdog.has_stalled():
                print_line(f"{each.trouble}: starting {' and '.join(each.children)} again")
                for child in self._children:
                    if child.command.name in each.children:
                        child.kill()
        for child in self._children:
            code = child.tend()
            if code is not None and self._restarts:
                self._restarts.ended(child, code)
        time.sleep(_TICK)

    def _show_status(self) -> None:
        for child in self._ingests:
            print_line(last_line(child.log_file))
        subprocess.run(
            [sys.executable, "-m", "cobalt_tasks", "status", "--all"],
            env=self._environment,
            check=False,
        )

    def _end(self) -> None:
        """End the children, the last started first, so that nothing loses what it still writes to."""
        _ignore_more()
        for child in reversed(self._children):
            child.ask_to_stop()
            child.wait_or_kill()


def _services(options: UpOptions) -> list[Command]:
    service = [sys.executable, "-m", "cobalt_tasks.supervisor.service"]
    celery = [*service, "celery", "-A", "cobalt_tasks"]
    workers = [
        Command(
            name=pool, argv=[*celery, "worker", "-Q", ",".join(queues), "-n", f"{pool}@%h", "-l", "INFO", "-c", count]
        )
        for pool, queues in POOLS.items()
        for count in [str(_CONTROL_PROCESSES if pool == CONTROL_QUEUE else options.concurrency)]
    ]
    flower = [
        *celery,
        "flower",
        f"--address={options.host}",
        f"--port={options.flower_port}",
        f"--conf={_FLOWER_CONFIG}",
    ]
    page = [*service, "cobalt_tasks", "dashboard", "--host", options.host, "--port", str(options.port)]
    page += ["--flower-port", str(options.flower_port)]
    return [
        *workers,
        Command(name="beat", argv=[*celery, "beat", "--pidfile=", "-l", "INFO"]),
        Command(name="flower", argv=flower),
        Command(name="page", argv=page),
    ]


def _job_counts(database: Database) -> dict[str, dict[str, int]]:
    with database.reading() as connection:
        return stats.jobs_by_kind(connection)


def _wait_for_broker(settings: Settings) -> None:
    broker = Broker(settings)
    deadline = time.monotonic() + _BROKER_SECONDS
    while True:
        try:
            broker.ping()
        except BrokerUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return broker.close()


def _stop(_number: int, _frame: object) -> None:
    # A second signal must not interrupt the ending.
    _ignore_more()
    raise StopRequested


def _ignore_more() -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
