"""The installed program, as a user runs it: real processes, a state folder of their own, free ports."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import psutil
import pytest

from cobalt_tasks.core.catalog import POOLS
from tests.support.waiting import PATIENCE, wait_until

PROGRAMS = Path(sys.executable).parent


class Cobalt:
    """One state folder, and the commands run on it."""

    def __init__(self, home: Path, port: int, flower_port: int) -> None:
        """Take this machine's own Cobalt settings out of the environment, and name the folder in it."""
        self.home = home
        self.port = port
        self.flower_port = flower_port
        ours = re.compile("COBALT_|CELERY_|IPINFO_|IPGEOLOCATION_")
        self.environment = {name: value for name, value in os.environ.items() if not ours.match(name)}
        self.environment |= {"COBALT_HOME": str(home), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}

    def run(self, *arguments: str, seconds: float = PATIENCE, **options: object) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            ["cobalt", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `cobalt up` with these arguments; its output goes to up.out in the state folder."""
        command = ["cobalt", "up", "--port", str(self.port), "--flower-port", str(self.flower_port), *arguments]
        with (self.home / "up.out").open("w") as output:
            return subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    @property
    def output(self) -> str:
        """What `cobalt up` has printed so far."""
        return (self.home / "up.out").read_text()

    def wait_for_workers(self) -> None:
        """Wait until all workers that `cobalt up` starts answer."""
        # A look into their logs costs next to nothing, a command as much as the start of a worker.
        logs = [self.home / "logs" / f"{pool}.log" for pool in POOLS]
        wait_until(lambda: all(log.exists() and " ready." in log.read_text() for log in logs), "the workers are ready")
        wait_until(lambda: len(self.status()["workers"]) == len(POOLS), "the workers answer", every=1.0)

    def status(self) -> dict[str, object]:
        """`cobalt status --json`, once there is a ledger to report on."""
        return json.loads(wait_until(lambda: self.run("status", "--json").stdout, "there is a ledger"))

    def export(self, table: str) -> list[dict[str, object]]:
        """All rows of a table, as `cobalt export` gives them."""
        done = self.run("export", "--table", table, "--format", "ndjson")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def processes(self, word: str = "") -> list[psutil.Process]:
        """Every living process that belongs to this state folder, with `word` in its command line."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("COBALT_HOME") == str(self.home)
                if mine and process.status() != psutil.STATUS_ZOMBIE and word in " ".join(process.cmdline()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture(scope="session")
def make_cobalt() -> Iterator[Callable[..., Cobalt]]:
    """Makes state folders, or uses one that others use too; whatever still runs on the first at the end is ended."""
    from tests.conftest import free_port

    made: list[Cobalt] = []

    def make(shared: Path | None = None) -> Cobalt:
        cobalt = Cobalt(shared or Path(mkdtemp(prefix="cobalt-")), free_port(), free_port())
        made.extend([] if shared else [cobalt])
        return cobalt

    yield make
    for cobalt in made:
        for process in cobalt.processes():
            process.send_signal(signal.SIGKILL)
        shutil.rmtree(cobalt.home, ignore_errors=True)


@pytest.fixture
def cobalt(make_cobalt: Callable[[], Cobalt]) -> Cobalt:
    """A fresh state folder."""
    return make_cobalt()
