"""Input that is odd as a whole: what is done with it, and what is said."""

import bz2
import contextlib
import gzip
import json
import lzma
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from click.testing import CliRunner
from sqlalchemy import text

from cobalt_tasks.cli import cobalt as command
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import FileStream
from cobalt_tasks.ingest.streams.journal_writer import Writer, data_file
from tests.integration.ingest.conftest import ONE_DATABASE, commands
from tests.support.waiting import PATIENCE, wait_until

ONE = '{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.%d", "dst_port": %d, "timestamp": 1}\n'
ONE_LINE = b"line %b of a file"
Ingest = Callable[..., Source]


@pytest.fixture
def cobalt(database: Database, home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `cobalt ingest` on the ledger."""
    with commands() as begin:
        yield begin


def rows(database: Database, statement: str) -> list[Any]:
    """Return the rows of a query."""
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Opening it would wait for whoever writes into it, perhaps for ever."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        FileStream(tmp_path / "fifo")


def test_a_file_name_that_is_no_text_is_stored(ingest: Ingest, tmp_path: Path) -> None:
    """File names are bytes; a database takes text."""
    file = tmp_path / os.fsdecode(b"\xff.jsonl")
    file.write_text(ONE % (1, 443))
    assert ingest(file).name.endswith("\\xff.jsonl")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_mark_of_an_editor_is_no_part_of_the_first_line(mark: str, ingest: Ingest, tmp_path: Path) -> None:
    """Nothing is rejected for it; windows line ends are as good as any."""
    file = tmp_path / "scan"
    file.write_bytes(f"{mark}saddr,sport\r\n192.0.2.1,443\r\n".encode())
    source = ingest(file)
    assert (source.format, source.read, source.accepted) == ("zmap-csv", 1, 1)


@pytest.mark.parametrize("before", [200, 6000])
@pytest.mark.parametrize("length", [(1 << 20) + 10, (1 << 20) + 400_000])
def test_a_long_line_is_refused_wherever_it_begins(before: int, length: int, ingest: Ingest, tmp_path: Path) -> None:
    """Whether its end came with the same piece makes no difference."""
    file = tmp_path / "capture"
    long = '{"type": "heartbeat", "x": "'
    long += "x" * (length - len(long) - 3) + '"}\n'
    file.write_text(ONE % (1, 443) * before + long + ONE % (1, 443))
    source = ingest(file, format_name="capture")
    assert (source.read, source.accepted, source.rejected) == (before + 2, before + 1, 1)


def test_events_of_one_flow_add_up(ingest: Ingest, database: Database, tmp_path: Path) -> None:
    """The first is accepted, the others are duplicates; bytes, names and every alert are kept, in one batch or several."""
    base = {"timestamp": "2026-11-07T06:14:13.752399+0000", "flow_id": 7, "src_ip": "192.0.2.2", "src_port": 1}
    base |= {"dest_ip": "203.0.113.80", "dest_port": 443, "proto": "TCP"}
    events: list[dict[str, Any]] = [
        {"event_type": "tls", "tls": {"sni": "www.example.com"}},
        {"event_type": "alert", "alert": {"signature": "one", "severity": 1}},
        {"event_type": "alert", "alert": {"signature": "two", "severity": 2}},
        {"event_type": "flow", "app_proto": "tls", "flow": {"bytes_toserver": 3536, "state": "closed"}},
    ]
    file = tmp_path / "eve.json"
    for end in (3, 4):
        file.write_text("".join(json.dumps({**base, **each}) + "\n" for each in events[:end]))
        source = ingest(file)
    assert (source.read, source.accepted, source.duplicates) == (4, 1, 3)
    ((told,),) = rows(database, "SELECT details FROM observations")
    assert json.loads(told) == {
        "event": ["alert", "flow", "tls"],
        "sni": "www.example.com",
        "alert": [{"signature": "one", "severity": 1}, {"signature": "two", "severity": 2}],
        "service": "tls",
        "bytes_toserver": 3536,
        "state": "closed",
    }


def test_what_stands_before_damage_is_read(ingest: Ingest, database: Database, tmp_path: Path) -> None:
    """Garbage behind a compressed file, or a broken block in it: the lines before it are stored, then it is said."""
    file = tmp_path / "capture.gz"
    file.write_bytes(gzip.compress((ONE % (1, 443) * 100).encode()) + b"garbage")
    with pytest.raises(ConfigurationError, match="damaged"):
        ingest(file)
    assert rows(database, "SELECT count(*) FROM observations") == [(100,)]
    with pytest.raises(ConfigurationError, match="damaged"):
        ingest(file)
    assert rows(database, "SELECT read, accepted FROM sources") == [(100, 100)]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_a_compressed_file_may_grow_while_it_is_read(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Another member behind the last one, or the rest of one: it is read on, as a plain file is."""
    one, two = (pack(ONE_LINE % each * 50) for each in (b"1", b"2"))
    file = tmp_path / "packed"
    file.write_bytes(one)
    stream = FileStream(file)
    read = stream.read(1 << 20)
    for piece in (two[:-9], two[-9:]):
        assert stream.read(1 << 20) == b""
        with file.open("ab") as grown:
            grown.write(piece)
        read += stream.read(1 << 20)
    read += stream.read(1 << 20)
    stream.close()
    assert read == ONE_LINE % b"1" * 50 + ONE_LINE % b"2" * 50


def test_a_line_longer_than_the_sample_is_recognised(ingest: Ingest, tmp_path: Path) -> None:
    """The format is told from the beginning of a line when there is no end of one; else from whole lines only."""
    port = {"proto": "tcp", "status": "open"}
    records = [{"ip": "192.0.2.1", "timestamp": "1", "ports": [{"port": each, **port}]} for each in range(1, 2001)]
    compact, bare = tmp_path / "compact", tmp_path / "bare"
    compact.write_text(json.dumps(records))
    assert ingest(compact).accepted == 2000
    for padding in (0, 3, 6, 9):
        bare.write_text("\n" * padding + "192.0.2.111\n" * 6000)
        assert ingest(bare, port=80).format == "zmap-csv"


def test_refused_lines_are_read_again_by_their_header(
    database: Database, ingest: Ingest, home: Path, tmp_path: Path
) -> None:
    """A line of a table without its header would say something else: here a TTL, that looks like a port."""
    scan = tmp_path / "scan"
    scan.write_text("saddr,ttl\n192.0.2.1,54\n")
    assert ingest(scan).rejected == 1
    run = CliRunner().invoke
    assert run(command, ["rejects", "retry"]).stdout == "1 tried, 0 accepted now\n"
    assert (
        run(command, ["rejects", "retry", "--source", str(scan), "--port", "443"]).stdout == "1 tried, 1 accepted now\n"
    )
    assert rows(database, "SELECT address, port FROM ports") == [("192.0.2.1", 443)]
    assert rows(database, "SELECT read, accepted, rejected FROM sources") == [(1, 1, 0)]


@ONE_DATABASE
def test_a_dry_run_goes_on_after_a_file_that_is_none(cobalt: Any, tmp_path: Path) -> None:
    """The others are counted, and the exit code tells."""
    (tmp_path / "none").write_text("hello\n")
    (tmp_path / "one").write_text(ONE % (1, 443))
    running = cobalt("--dry-run", str(tmp_path / "none"), str(tmp_path / "missing"), str(tmp_path / "one"))
    out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 2
    assert "1 connections, 2 hosts" in out
    assert "none: its format is not recognised" in err
    assert "missing: No such file" in err


@ONE_DATABASE
def test_an_address_that_cannot_be_listened_to_is_an_error(cobalt: Any, database: Database) -> None:
    """It is said, and the exit code is not that of success."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = cobalt("--listen", f"tcp://127.0.0.1:{taken.getsockname()[1]}")
        _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert "cannot listen on" in err


@ONE_DATABASE
def test_the_death_of_the_journal_is_said(cobalt: Any, database: Database) -> None:
    """What was journaled is stored; that there may have been more is no success."""
    running = cobalt("-", "--format", "capture")
    running.stdin.write(ONE % (1, 443) * 10)
    running.stdin.flush()
    wait_until(lambda: rows(database, "SELECT count(*) FROM observations") == [(10,)])
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text(encoding="ascii").split()
    os.kill(int(children[0]), signal.SIGKILL)
    with contextlib.suppress(OSError):
        running.stdin.close()
    running.stdin = None
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert "was killed by signal 9" in err
    assert rows(database, "SELECT count(*) FROM observations") == [(10,)]


@ONE_DATABASE
def test_a_closed_standard_input_is_an_empty_one(database: Database, home: Path) -> None:
    """`cobalt ingest - <&-` holds nothing, and breaks nothing."""
    shell = f"exec {sys.executable} -c 'from cobalt_tasks.cli import main; main()' ingest - <&-"
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, "0 read" in done.stdout) == (0, True), done.stderr


@ONE_DATABASE
def test_a_long_line_of_one_sender_does_not_swallow_another_ones(cobalt: Any, database: Database) -> None:
    """It is one reject; the lines of the others stay whole, and so do its own that follow."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = cobalt("--listen", f"tcp://127.0.0.1:{port}", "--format", "capture", "--name", "sensors")
    senders: list[socket.socket] = []

    def connected() -> bool:
        with contextlib.suppress(OSError):
            senders.append(socket.create_connection(("127.0.0.1", port), 1))
        return len(senders) == 2

    wait_until(connected)
    talker, other = senders
    talker.sendall(b"x" * (3 << 19))
    wait_until(lambda: rows(database, "SELECT count(*) FROM rejects") == [(1,)])
    other.sendall((ONE % (1, 443)).encode())
    wait_until(lambda: rows(database, "SELECT count(*) FROM observations") == [(1,)])
    talker.sendall(b"x" * (3 << 19) + b"\n" + (ONE % (2, 443)).encode())
    wait_until(lambda: rows(database, "SELECT count(*) FROM observations") == [(2,)])
    for sender in senders:
        sender.close()
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=PATIENCE)
    assert "3 read = 2 accepted + 0 duplicates + 1 rejected" in out


def test_a_disk_without_room_for_a_segment_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginning a new file can fail as writing can: reading stops until there is room, and nothing is lost."""
    writer = Writer(tmp_path, limit=1 << 20, segment=4)
    really, refused = os.open, []

    def full(path: Any, *others: Any) -> int:
        if len(refused) < 3:
            refused.append(path)
            raise OSError(28, "No space left on device")
        return really(path, *others)

    monkeypatch.setattr("cobalt_tasks.ingest.streams.journal_writer.os.open", full)
    writer.append(b"first")
    writer.append(b"next")
    writer.close()
    assert len(refused) == 3
    assert data_file(tmp_path, 0).read_bytes() + data_file(tmp_path, 5).read_bytes() == b"firstnext"
