"""Child processes that end when this process ends."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct

from cobalt_tasks.core.machine import end_with_parent
from cobalt_tasks.core.private_files import open_own
from cobalt_tasks.supervisor.log_file import rotate

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0
"""After a run of this length, the next restart has the shortest pause again."""


class Command(Struct, frozen=True, kw_only=True):
    """How to start a child, and whether it is started again when it ends by itself."""

    name: str
    argv: Sequence[str]
    restart: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    longest_pause: float = _LONGEST_PAUSE
    stdin: int | IO[bytes] = subprocess.DEVNULL


class Child:
    """One running command, its output in a log file of its own."""

    def __init__(self, command: Command, folder: Path, environment: Mapping[str, str], home: Path) -> None:
        """Prepare the child; `start` starts it.

        Args:
            command: how to start and stop it.
            folder: where its log goes, as NAME.log.
            environment: all its environment variables.
            home: its working directory.

        """
        self.command = command
        self.log_file = folder / f"{command.name}.log"
        self._environment = dict(environment)
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause = _FIRST_PAUSE
        self._restart_at: float | None = None

    def start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches it only through us, and in order."""
        with os.fdopen(open_own(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # our own commands
                self.command.argv,
                stdin=self.command.stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                env=self._environment,
                start_new_session=True,
                preexec_fn=partial(end_with_parent, os.getpid()),  # noqa: PLW1509  # this process has one thread
            )
        self._started_at = time.monotonic()
        self._restart_at = None

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """Return its exit code, None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    def tend(self) -> int | None:
        """Keep its log file small, and start it again when it has ended by itself: soon after a long run, with longer and
        longer pauses after short ones.

        Return its exit code when that is new, else None.
        """
        rotate(self.log_file)
        code = self.exit_code()
        if code is None or not self.command.restart:
            return None
        now = time.monotonic()
        if self._restart_at is None:
            steady = now - self._started_at > _STEADY_SECONDS
            self._pause = _FIRST_PAUSE if steady else min(self._pause * 2, self.command.longest_pause)
            self._restart_at = now + self._pause
            return code
        if now >= self._restart_at:
            self.start()
        return None

    def ask_to_stop(self) -> None:
        """Send the signal that stops it."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self.command.stop_signal)

    def kill(self) -> None:
        """End its whole session at once; `tend` starts it again."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait_or_kill(self) -> None:
        """Wait for its grace period, then end its whole session."""
        if self._process is None:
            return
        try:
            self._process.wait(self.command.stop_seconds)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop within %.0f s", self.command.name, self.command.stop_seconds)
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()
