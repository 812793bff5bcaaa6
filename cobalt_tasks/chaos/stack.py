"""The stack under test: its own Redis, database, workers, beats and producer, in a folder of its own."""

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Literal

import msgspec
import psutil

from cobalt_tasks.chaos import disk, postgres, relay, targets
from cobalt_tasks.chaos.stepping import SteppedClock
from cobalt_tasks.chaos.targets import Targets
from cobalt_tasks.chaos.trigger_log import TriggerLog
from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import QUEUES
from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.supervisor import redis_server
from cobalt_tasks.supervisor.children import Child, Command

DatabaseName = Literal["sqlite", "postgresql"]

WORKERS: Final = ("worker1", "worker2")
BEATS: Final = ("beat1", "beat2")
SECOND_HOST: Final = ("worker2", "beat2")
"""They reach Redis, and PostgreSQL, through `relay`; and where that is the database, they have a clock of their own."""
CONCURRENCY: Final = 2
_START_SECONDS: Final = 60.0
_OURS: Final = ("COBALT_", "CELERY_", "IPINFO_", "IPGEOLOCATION_")


class Stack:
    """Everything that runs. One thread: children end with the thread that started them."""

    def __init__(
        self, folder: Path, database: DatabaseName, postgres_folder: Path, clocks: Path, disk: Path | None
    ) -> None:
        """Choose names; `start` starts.

        Args:
            folder: holds everything but PostgreSQL.
            database: what the ledger lies in.
            postgres_folder: holds PostgreSQL, which may run as another user.
            clocks: a folder that user can read.
            disk: the folder whose file system may be filled, None if it has no file system of its own.

        """
        self.folder = folder
        self.disk = disk
        self.clock = SteppedClock(clocks / "clock")
        self.second_clock = self.clock if database == "sqlite" else SteppedClock(clocks / "second-clock")
        self._second: dict[str, str] = {}
        self.database = database
        self.children: dict[str, Child] = {}
        self._postgres = postgres_folder
        self.url = f"sqlite:///{folder / 'cobalt.db'}" if database == "sqlite" else postgres.url(postgres_folder)
        self.trigger_log = TriggerLog(str(folder / "cobalt.db") if database == "sqlite" else self.url)
        self._environment: Mapping[str, str] = {}

    def start(self) -> tuple[Settings, Targets]:
        """Start everything but the producer; return the settings it runs with.

        Raises:
            CobaltError: something does not start.

        """
        logs = self.folder / "logs"
        logs.mkdir()
        self._environment = _inherited(self.folder)
        self._add(Command(name="targets", argv=[sys.executable, "-m", targets.__name__, str(self.folder)]))
        _wait_for((self.folder / targets.FILE).exists, "the targets")
        found = msgspec.json.decode((self.folder / targets.FILE).read_bytes(), type=Targets)
        values = {
            "COBALT_HOME": str(self.folder),
            "COBALT_DATABASE_URL": self.url,
            "COBALT_GEO_PROVIDERS": "ip-api",
            "COBALT_IPAPI_URL": found.provider_url,
            "COBALT_RESOLVERS": found.resolver,
            "COBALT_SCOPE": "127.0.0.0/8",
        }
        settings = environment.load(values)
        self._environment = {**self._environment, **values, "COBALT_BROKER_URL": settings.broker_url}
        self._add(msgspec.structs.replace(redis_server.command(settings), longest_pause=1.0))
        if self.database == "postgresql":
            postgres.create(self._postgres)
            self._add(postgres.command(self._postgres, self.clock.environment))
            _wait_for(self._answers, "PostgreSQL")
        self._connect_second_host(settings)
        open_ledger(settings).dispose()
        self.trigger_log.install()
        for command in self._services():
            self._add(command)
        return settings, found

    def _connect_second_host(self, settings: Settings) -> None:
        ports = [_free_port(), _free_port()]
        routes = [str(ports[0]), str(settings.redis_socket)]
        self._second = {**self.second_clock.environment, "COBALT_BROKER_URL": f"redis://127.0.0.1:{ports[0]}/0"}
        if self.database == "postgresql":
            routes += [str(ports[1]), postgres.socket(self._postgres)]
            self._second["COBALT_DATABASE_URL"] = postgres.url_through(ports[1])
        argv = [sys.executable, "-m", relay.__name__, *routes]
        self._add(Command(name="relay", argv=argv, longest_pause=1.0))

    def produce(self, files: Sequence[str], options: Sequence[str] = ()) -> Child:
        """Start an ingest of some `files`, with `options` of the command."""
        argv = [sys.executable, "-m", "cobalt_tasks", "ingest", "auto", *options, *files]
        return self._add(Command(name="producer", argv=argv, restart=False))

    def process(self, name: str) -> psutil.Process | None:
        """Return a child's process, None while it is not there."""
        child = self.children.get(name)
        if child is None or child.pid is None or child.exit_code() is not None:
            return None
        try:
            return psutil.Process(child.pid)
        except psutil.NoSuchProcess:
            return None

    def pool(self) -> list[psutil.Process]:
        """Return the pool children of all workers."""
        workers = [found for name in WORKERS if (found := self.process(name))]
        children: list[psutil.Process] = []
        for worker in workers:
            try:
                children += worker.children()
            except psutil.NoSuchProcess:
                continue
        return children

    def last_words(self, name: str) -> str:
        """Return the last line of a child's log."""
        lines = self.children[name].log_file.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "nothing"

    def tend(self) -> None:
        """Start what has ended again."""
        for child in self.children.values():
            child.tend()

    def end(self) -> None:
        """End everything, the last started first."""
        for name in reversed(self.children):
            process = self.process(name)
            if process:
                process.resume()
            self.children[name].ask_to_stop()
            self.children[name].wait_or_kill()

    def _add(self, command: Command) -> Child:
        changes = self._second if command.name in SECOND_HOST else self._first(command.name)
        child = Child(command, self.folder / "logs", {**self._environment, **changes}, self.folder)
        child.start()
        self.children[command.name] = child
        return child

    def _first(self, name: str) -> dict[str, str]:
        return self.clock.environment if name in {WORKERS[0], BEATS[0], "producer"} else {}

    def _services(self) -> Iterator[Command]:
        celery = [sys.executable, "-m", "celery", "-A", "cobalt_tasks"]
        for name in WORKERS:
            options = ["-Q", ",".join(QUEUES), "-c", str(CONCURRENCY), "-n", f"{name}@%h", "-l", "INFO"]
            yield Command(name=name, argv=[*celery, "worker", *options], longest_pause=1.0)
        for name in BEATS:
            argv = [*celery, "beat", "--pidfile=", "-l", "INFO"]
            yield Command(name=name, argv=argv, longest_pause=1.0)

    def _answers(self) -> bool:
        try:
            return self.trigger_log.count("SELECT 1") == 1
        except TriggerLog.TROUBLE:
            return False


@contextmanager
def running(database: DatabaseName, *, keep: bool) -> Iterator[tuple[Stack, Settings, Targets]]:
    """Run a stack in new folders, which are removed at its end.

    database: what the ledger lies in; keep: leave the folders.
    """
    folder = Path(mkdtemp(prefix="cobalt-chaos-"))
    # Beside the other one, which only its owner can enter: PostgreSQL may have to run as another user.
    postgres_folder = Path(mkdtemp(prefix="cobalt-chaos-pg-"))
    postgres_folder.chmod(0o755)
    data = postgres_folder / "server" if database == "postgresql" else folder
    data.mkdir(exist_ok=True)
    # What is to be kept must outlive a file system in memory.
    small = nullcontext(enter_result=False) if keep else disk.mounted(data)
    try:
        with small as is_small:
            stack = Stack(folder, database, data, postgres_folder, data if is_small else None)
            try:
                yield stack, *stack.start()
            finally:
                stack.end()
    finally:
        shutil.rmtree(postgres_folder, ignore_errors=True)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _inherited(folder: Path) -> dict[str, str]:
    """Return this process's environment without the settings of another Cobalt."""
    inherited = environment.environment(environment.load({"COBALT_HOME": str(folder)}))
    return {name: value for name, value in inherited.items() if not name.startswith(_OURS)}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise CobaltError(f"{what} did not start within {_START_SECONDS:.0f} s")
        time.sleep(0.05)
