"""Pipes: what was journaled is stored, whatever is killed; the writer upstream never waits for a database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from cobalt_tasks.core import settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.streams import journal
from cobalt_tasks.ingest.streams.journal import About
from tests.integration.ingest.conftest import ONE_DATABASE
from tests.support.waiting import PATIENCE, wait_until

ONE = '{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.%d", "dst_port": %d, "timestamp": 1}\n'
MAIN = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()"]


class Running:
    """A `cobalt ingest -` with a pipe into it."""

    def __init__(self, *arguments: str, **options: object) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [*MAIN, "ingest", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **options},  # type: ignore[dict-item]
        )

    def write(self, data: str) -> None:
        """Write into the pipe."""
        assert self.process.stdin is not None
        self.process.stdin.write(data.encode())
        self.process.stdin.flush()

    def end(self) -> tuple[int, str, str]:
        """Close the pipe; return exit code, output and what was said."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
def start(database: Database, home: Path) -> Iterator[Callable[..., Running]]:
    """Start `cobalt ingest` on the ledger; what still runs is ended."""
    started: list[Running] = []

    def begin(*arguments: str, **options: object) -> Running:
        started.append(Running(*arguments, **options))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.communicate()


def count(database: Database, table: str = "observations") -> int:
    """Count the rows of a table."""
    with database.reading() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def journals(home: Path) -> list[Path]:
    """Return the folders of journals."""
    folder = home / "journal"
    return sorted(folder.iterdir()) if folder.exists() else []


def pipe_is_broken(running: Running, data: str) -> bool:
    """Write; tell whether nobody reads any more."""
    try:
        running.write(data)
    except BrokenPipeError:
        return True
    return False


def test_lines_are_stored_while_the_pipe_is_open(start: Callable[..., Running], database: Database, home: Path) -> None:
    """A line is in the ledger soon after it was written; at the end the ledger is printed and no journal stays."""
    running = start("-", "--name", "tap")
    running.write(ONE % (1, 443))
    wait_until(lambda: count(database) == 1)
    running.write(ONE % (2, 443))
    wait_until(lambda: count(database) == 2)
    running.write("noise" + "\n" + '{"type": "heartbeat"}')
    code, out, _ = running.end()
    assert code == 0
    assert out.startswith("tap: 4 read = 2 accepted + 0 duplicates + 1 rejected + 1 ignored")
    assert journals(home) == []


@ONE_DATABASE
def test_strict_tells_rejected_lines_by_its_exit_code(start: Callable[..., Running]) -> None:
    """With --strict the exit code is 3 when a line was rejected."""
    running = start("-", "--strict", "--json")
    running.write(ONE % (1, 443) + "noise\n")
    code, out, _ = running.end()
    assert code == 3
    assert json.loads(out) == {
        "name": "stdin", "read": 2, "accepted": 1, "duplicates": 0, "rejected": 1, "ignored": 0,
    }  # fmt: skip


def test_what_was_journaled_survives_a_kill(start: Callable[..., Running], database: Database, home: Path) -> None:
    """Killed while lines come, `--resume` stores every journaled line once; the pipe learns that its reader is gone."""
    running = start("-")
    lines = [ONE % (number % 250, 1000 + number) for number in range(20_000)]
    running.write("".join(lines[:10_000]))
    wait_until(lambda: count(database) > 0)
    running.process.kill()
    running.process.wait()
    wait_until(lambda: pipe_is_broken(running, "".join(lines[10_000:])))
    (folder,) = journals(home)
    journaled = b"".join(path.read_bytes() for path in sorted(folder.glob("*.data")))
    stored_before = count(database)
    code, _, _ = start("--resume").end()
    assert code == 0
    assert (
        stored_before < count(database) == journaled.count(b"\n") + (not journaled.endswith(b"\n")) - rejected(database)
    )
    assert journals(home) == []


def rejected(database: Database) -> int:
    """Count the rejects."""
    return count(database, "rejects")


@ONE_DATABASE
def test_a_signal_ends_it_at_a_checkpoint(start: Callable[..., Running], database: Database, home: Path) -> None:
    """SIGTERM ends a reading pipe at once and cleanly; what came is stored."""
    running = start("-")
    running.write(ONE % (1, 443))
    wait_until(lambda: count(database) == 1)
    running.process.send_signal(signal.SIGTERM)
    # The pipe is still open: the signal ends it, not the end of its input.
    assert running.process.wait(PATIENCE) == 0
    _, out, _ = running.end()
    assert "1 accepted" in out


@ONE_DATABASE
def test_several_pipes_are_generations_of_one_name(start: Callable[..., Running], database: Database) -> None:
    """Each pipe has its own ledger under its name."""
    for _ in range(2):
        running = start("-", "--name", "tap")
        running.write(ONE % (1, 443))
        assert running.end()[0] == 0
    with database.reading() as connection:
        rows = connection.execute(text("SELECT name, generation, read FROM sources ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [("tap", 1, 1), ("tap", 2, 1)]


@ONE_DATABASE
def test_one_missing_file_does_not_keep_the_others_from_being_read(
    start: Callable[..., Running], database: Database, tmp_path: Path
) -> None:
    """Every file is tried; what went wrong is said in a line and in the exit code."""
    good = tmp_path / "good"
    good.write_text(ONE % (1, 443))
    code, out, err = start(str(tmp_path / "missing"), str(good)).end()
    assert code == 2
    assert "missing: No such file" in err
    assert "1 accepted" in out
    assert count(database) == 1


def test_a_full_journal_makes_the_pipe_wait_and_loses_nothing(home: Path) -> None:
    """At its limit the journal stops reading, and goes on when segments were stored and deleted."""
    reader, writer = os.pipe()
    before = os.dup(0)
    os.dup2(reader, 0)
    try:
        stream = journal.start(settings.load().journal_folder, About(name="pipe"), limit=1 << 20, segment=1 << 18)
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reader)
    os.set_blocking(writer, False)
    sent = 0
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            sent += os.write(writer, bytes(range(256)) * 256)
        except BlockingIOError:
            time.sleep(0.01)
    # The limit, what the journal's process held in its hand, and the pipe.
    assert (1 << 20) < sent < (4 << 20)
    os.close(writer)
    stream.around(0)
    received = b""
    while True:
        if data := stream.read(1 << 18):
            received += data
            stream.release(len(received))
        elif stream.ended():
            break
        else:
            stream.wait(0.1)
    stream.close()
    assert stream.is_stored()
    assert received == bytes(range(256)) * (sent // 256)
