"""A file that is followed while it is not there, moved away or cut, and a journal that cannot be read."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from cobalt_tasks.core.errors import ConfigurationError, JournalError
from cobalt_tasks.core.settings import load
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest import run as ingesting
from cobalt_tasks.ingest.run import Options, run
from cobalt_tasks.ingest.streams import journal, leftover
from cobalt_tasks.ingest.streams.files import FollowedFile
from tests.support.waiting import wait_until

LINE = (
    b'{"type": "connection", "timestamp": 1700000000.5, "src_ip": "192.0.2.2", "src_port": 40000, '
    b'"dst_ip": "203.0.113.80", "dst_port": 443, "metadata": {"protocol": "TCP"}}\n'
)


def test_a_file_that_comes_later_is_waited_for(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named meanwhile, and read from its start when it is there.

    Break: the `else` of `_followed` in ingest/run.py.
    """
    path, looks = tmp_path / "later.ndjson", []

    def look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            path.write_bytes(LINE)
            threading.Thread(target=end_when_stored).start()

    def end_when_stored() -> None:
        try:
            wait_until(lambda: stored(sqlite_database) == 1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ingesting, "time", SimpleNamespace(sleep=look, monotonic=time.monotonic))
    assert run(load(), Options(files=(str(path),), follow=True)) == 0
    assert len(looks) == 3
    assert "not there yet" in capsys.readouterr().err


def stored(database: Database) -> int:
    """Count the connections in the ledger."""
    with database.reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM observations")).scalar_one())


@pytest.mark.parametrize("how", ["moved", "replaced", "cut", "grown"])
def test_another_file_of_the_name_is_noticed(how: str, tmp_path: Path) -> None:
    """A log that was rotated: what moves it away makes a new one. One that only grows is the same."""
    path = tmp_path / "conn.log"
    path.write_bytes(LINE * 2)
    file = FollowedFile(path)
    try:
        assert file.read(1 << 16) == LINE * 2
        if how == "moved":
            path.rename(tmp_path / "conn.1.log")
        elif how == "replaced":
            path.rename(tmp_path / "conn.1.log")
            path.write_bytes(LINE * 3)
        elif how == "cut":
            path.write_bytes(LINE)
        else:
            with path.open("ab") as more:
                more.write(LINE)
        assert [file.ended(), file.ended()] == [False, how != "grown"]
    finally:
        file.close()


@pytest.fixture
def folder(home: Path) -> Callable[[bytes], Path]:
    """Makes a journal with these words about it, and one line."""

    def make(about: bytes) -> Path:
        path = load().journal_folder / "20260101T000000-0123456789ab"
        path.mkdir(parents=True)
        (path / "about.json").write_bytes(about)
        (path / f"{0:020d}.data").write_bytes(LINE)
        (path / f"{0:020d}.clock").write_bytes(b"")
        return path

    return make


def test_a_journal_whose_words_are_damaged_is_named(folder: Callable[[bytes], Path]) -> None:
    """It is listed without its source's name, cannot be read, and stays for whoever can mend it."""
    path = folder(b"{")
    assert [each.source for each in leftover.find(path.parent)] == ["?"]
    with pytest.raises(JournalError, match="cannot be read"):
        journal.JournalStream(path)
    assert path.exists()


def test_a_journal_is_read_by_one_process(folder: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second reader is refused after some tries, and the first one reads on."""
    monkeypatch.setattr(journal, "_LOCK_PAUSE_SECONDS", 0.0)
    path = folder(b'{"name": "x"}')
    first = journal.JournalStream(path)
    try:
        with pytest.raises(JournalError, match="another process reads"):
            journal.JournalStream(path)
        with pytest.raises(ConfigurationError, match="waits: cobalt sources journals list"):
            leftover.forget(path.parent, path.name)
        assert first.read(1 << 16) == LINE
        assert first.read(1 << 16) == b""
        assert [first.ended(), first.ended()] == [False, True]
    finally:
        first.close()


def test_a_journal_that_lost_its_first_bytes_is_an_error(folder: Callable[[bytes], Path]) -> None:
    """What is missing is named; reading on behind it would be a silent loss."""
    path = folder(b'{"name": "x"}')
    for each in ("data", "clock"):
        (path / f"{0:020d}.{each}").rename(path / f"{100:020d}.{each}")
    stream = journal.JournalStream(path)
    try:
        with pytest.raises(JournalError, match="has lost the bytes from 0"):
            stream.read(1 << 16)
    finally:
        stream.close()
