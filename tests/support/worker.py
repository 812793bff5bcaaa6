"""A real `celery worker` of the program's own, as a process that tests can stop, kill and listen to."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
QUEUES = "control,banner,domain,geolocation,certificate"


class Worker:
    """One worker; it sees the environment of the test, with changes."""

    def __init__(self, folder: Path, *options: str, name: str = "worker", **changes: str) -> None:
        """Start it, and wait until it is ready."""
        self.log = folder / f"{name}.log"
        command = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "worker", "-n", f"{name}@test", "-l", "INFO"]
        options = options if "-Q" in options else ("-Q", QUEUES, *options)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, *options],
                cwd=ROOT,
                env={**os.environ, **changes},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_for_words(" ready.")

    @property
    def pool(self) -> list[psutil.Process]:
        """Its pool children."""
        return psutil.Process(self.process.pid).children()

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace")

    def wait_for_words(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until the log says something."""

        def are_there() -> bool:
            found = words in self.said()
            assert found or self.process.poll() is None, f"it has ended: {self.said()[-3000:]}"
            return found

        wait_until(are_there, f"the log says {words!r}", seconds=seconds, seen=self.said)

    def terminate(self, seconds: float = PATIENCE) -> None:
        """Send SIGTERM, and wait until it has ended."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)

    def kill(self) -> None:
        """Kill it; its pool dies with it."""
        self.process.kill()
        self.process.wait()
