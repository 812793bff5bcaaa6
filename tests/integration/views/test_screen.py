"""The live screen on a real terminal, and output whose reader has gone."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from tests.support.waiting import PATIENCE

Fill = Callable[[Database], None]
PROGRAM = [sys.executable, "-m", "cobalt_tasks"]


class Terminal:
    """A terminal of 80 × 24 on which a command runs."""

    def __init__(self, *arguments: str) -> None:
        """Start the command."""
        self.ours, self.theirs = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.theirs)
        ends = {"stdin": self.theirs, "stdout": self.theirs, "stderr": self.theirs}
        self.process = subprocess.Popen([*PROGRAM, *arguments], **ends, start_new_session=True)
        self.text = ""

    def resize(self, columns: int, lines: int) -> None:
        """Change its size."""
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def wait_for(self, text: str) -> None:
        """Read what is shown until `text` is among it."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self.ours], [], [], 1.0)[0]:
                self.text += os.read(self.ours, 65536).decode()

    def close(self) -> None:
        """End everything."""
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts a command on a terminal of its own."""
    made: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        made.append(Terminal(*arguments))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_top_fills_the_screen_follows_its_size_and_ends_on_q(
    sqlite_database: Database, settings: Settings, fill: Fill, terminal: Callable[..., Terminal]
) -> None:
    """Queues, changes and riskiest hosts are shown, again after a resize; q ends it, and the terminal is as before."""
    fill(sqlite_database)
    shown = terminal("top", "--interval", "60")
    shown.wait_for("Riskiest hosts")
    assert "\x1b[?1049h" in shown.text
    assert all(word in shown.text for word in ("geolocation", "Newest changes", "q quits"))
    shown.text = ""
    shown.resize(100, 30)
    shown.wait_for("Riskiest hosts")
    os.write(shown.ours, b"q")
    shown.wait_for("\x1b[?25h\x1b[?1049l")
    assert shown.process.wait(PATIENCE) == 0
    assert termios.tcgetattr(shown.theirs) == shown.before


def test_the_terminal_is_restored_however_watching_ends(
    sqlite_database: Database, settings: Settings, terminal: Callable[..., Terminal]
) -> None:
    """SIGTERM leaves a terminal with its cursor, its screen and its modes."""
    shown = terminal("status", "--watch", "60")
    shown.wait_for("nothing was read yet")
    shown.process.send_signal(signal.SIGTERM)
    shown.wait_for("\x1b[?25h\x1b[?1049l")
    assert shown.process.wait(PATIENCE) == 143
    assert termios.tcgetattr(shown.theirs) == shown.before


@pytest.mark.parametrize("command", ["--help", "completion bash", "hosts --json", "status"])
def test_a_full_disk_is_one_line(sqlite_database: Database, settings: Settings, fill: Fill, command: str) -> None:
    """Whatever is printed to a device that is full: no traceback, exit code 1. Break: OSError in `main` of cli/__init__.py."""
    fill(sqlite_database)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *command.split()], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False
        )
    assert (done.returncode, done.stderr) == (1, "cobalt: output cannot be written: No space left on device\n")


@pytest.mark.parametrize("command", ["status", "hosts --json", "export", "ingest -"])
def test_streams_that_are_closed_lead_nowhere(
    sqlite_database: Database, settings: Settings, fill: Fill, command: str
) -> None:
    """With standard input, output and errors closed, a command does its work. Break: `_open_what_is_closed`."""
    fill(sqlite_database)
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *PROGRAM, *command.split()]
    assert subprocess.run(closed, timeout=PATIENCE, check=False).returncode == 0


@pytest.mark.parametrize("is_long", [True, False])
def test_a_reader_that_has_gone_ends_a_command_quietly(
    sqlite_database: Database, settings: Settings, *, is_long: bool
) -> None:
    """As with `| head`: no traceback, and the exit code of a program that SIGPIPE ended, however little it printed."""
    command = ["ingest", "--help"] if is_long else ["hosts"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, *command], stdout=writer, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
