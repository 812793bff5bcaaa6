"""A real `celery worker` of the program's own, as a process that tests can stop, kill and listen to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
QUEUES = "control,banner,domain,geolocation,certificate"
_READY_SECONDS = 60


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
        self.wait_for_words(" ready.", _READY_SECONDS)

    @property
    def pool(self) -> list[psutil.Process]:
        """Its pool children."""
        return psutil.Process(self.process.pid).children()

    def wait_for_words(self, words: str, seconds: float) -> None:
        """Wait until the log says something."""
        deadline = time.monotonic() + seconds
        while words not in self.log.read_text(errors="replace"):
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")[-3000:]
            time.sleep(0.05)

    def terminate(self, seconds: float) -> float:
        """Send SIGTERM; return how long it took to end."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)
        return time.monotonic() - began

    def kill(self) -> None:
        """Kill it; its pool dies with it."""
        self.process.kill()
        self.process.wait()
