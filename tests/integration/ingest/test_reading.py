"""Ways of giving input: compressed files, patterns, files that grow, a port that listens."""

import bz2
import contextlib
import gzip
import json
import lzma
import os
import pty
import random
import signal
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import text

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.providers import Limit
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.limits import Terms
from cobalt_tasks.ingest.dryrun import needed
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import FileStream
from tests.integration.ingest.conftest import commands
from tests.support.waiting import PATIENCE, wait_until

SAMPLES = Path(__file__).parents[2] / "samples"
ONE = '{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.%d", "dst_port": %d, "timestamp": 1}\n'
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


@pytest.fixture
def cobalt(sqlite_database: Database, home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `cobalt ingest` on the ledger."""
    with commands() as begin:
        yield begin


def count(database: Database, table: str = "observations") -> int:
    """Count the rows of a table."""
    with database.reading() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.mark.parametrize("packer", PACKERS)
def test_a_compressed_file_is_read_as_what_is_in_it(packer: str, ingest: Callable[..., Source], tmp_path: Path) -> None:
    """The same ledger, with positions in what was unpacked; read again, it adds nothing; grown, only what is new."""
    lines = [ONE % (number % 250, number % 60000) for number in range(5000)]
    file = tmp_path / f"capture.{packer}"
    file.write_bytes(PACKERS[packer]("".join(lines[:3000]).encode()))
    first = ingest(file)
    assert (first.accepted, first.position) == (3000, len("".join(lines[:3000])))
    assert ingest(file).read == 3000
    with file.open("ab") as grown:
        grown.write(PACKERS[packer]("".join(lines[3000:]).encode()))
    second = ingest(file)
    assert (second.id, second.accepted) == (first.id, 5000)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_cut_compressed_file_gives_what_it_holds(packer: str, ingest: Callable[..., Source], tmp_path: Path) -> None:
    """Cut in the middle and completed later, all lines are there once."""
    draw = random.Random(1)
    lines = [ONE % (draw.randrange(250), draw.randrange(60000)) for number in range(20_000)]
    packed = PACKERS[packer]("".join(lines).encode())
    file = tmp_path / "capture"
    file.write_bytes(packed[: len(packed) * 3 // 4])
    part = ingest(file)
    assert part.read <= 20_000
    assert part.rejected <= 1
    file.write_bytes(packed)
    whole = ingest(file)
    assert (whole.id, whole.accepted, whole.rejected) == (part.id, 20_000, 0)


def test_a_damaged_compressed_file_is_said_to_be(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """What cannot be unpacked is named with the file and the place."""
    packed = bytearray(gzip.compress("".join(ONE % (1, number) for number in range(9000)).encode()))
    packed[len(packed) // 2 : len(packed) // 2 + 100] = b"\xff" * 100
    file = tmp_path / "capture.gz"
    file.write_bytes(packed)
    with pytest.raises(ConfigurationError, match=r"capture\.gz: damaged"):
        ingest(file)


def test_a_bomb_is_not_held_in_memory(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """64 KiB that unpack to 64 MiB of zeros are one long line, refused in pieces: invariant 8 of docs/architecture.md.

    Break: the bound of the buffer in ingest/reading.py.
    """
    file = tmp_path / "bomb.gz"
    with gzip.open(file, "wb") as packed:
        packed.write((ONE % (1, 1)).encode())
        for _ in range(64):
            packed.write(b"\0" * (1 << 20))
    tracemalloc.start()
    try:
        source = ingest(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (source.read, source.accepted, source.rejected) == (2, 1, 1)
    assert peak < 24 << 20, peak


def test_several_files_and_patterns_in_one_call(cobalt: Any, sqlite_database: Database, tmp_path: Path) -> None:
    """Patterns the shell left alone are expanded; a file named twice is read once."""
    for number in range(3):
        (tmp_path / f"capture-{number}").write_text(ONE % (number, 443))
    (tmp_path / "other").write_text(ONE % (9, 443))
    out, _ = cobalt(
        "capture", str(tmp_path / "capture-*"), str(tmp_path / "capture-1"), str(tmp_path / "other")
    ).communicate()
    assert out.count("1 accepted") == 4
    assert count(sqlite_database) == 4


def test_a_growing_and_rotating_file_is_followed(cobalt: Any, sqlite_database: Database, tmp_path: Path) -> None:
    """Appended, moved away and made anew, cut to nothing and begun again: each line once."""
    file = tmp_path / "eve.json"
    running = cobalt("--follow", str(file))
    file.write_text(ONE % (1, 1))
    wait_until(lambda: count(sqlite_database) == 1)
    with file.open("a") as grown:
        grown.write(ONE % (2, 2) + (ONE % (3, 3))[:20])
        grown.flush()
        wait_until(lambda: count(sqlite_database) == 2)
        grown.write((ONE % (3, 3))[20:])
    wait_until(lambda: count(sqlite_database) == 3)
    with file.open("a") as late:
        late.write(ONE % (4, 4))
    file.rename(tmp_path / "eve.json.1")
    file.write_text(ONE % (5, 5) + ONE % (6, 6))
    wait_until(lambda: count(sqlite_database) == 6)
    file.write_text(ONE % (7, 7))
    wait_until(lambda: count(sqlite_database) == 7)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    with sqlite_database.reading() as connection:
        seen = connection.execute(text("SELECT dst_port FROM observations ORDER BY dst_port")).scalars().all()
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_lines_are_taken_from_a_port(cobalt: Any, sqlite_database: Database) -> None:
    """Several senders at once; their lines do not mix, whatever pieces they come in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = cobalt("--listen", f"tcp://127.0.0.1:{port}", "--name", "sensors")
    senders: list[socket.socket] = []

    def connected() -> bool:
        try:
            senders.append(socket.create_connection(("127.0.0.1", port), 1))
        except OSError:
            return False
        return len(senders) == 3

    wait_until(connected)
    for piece in range(0, 100, 7):
        for number, sender in enumerate(senders):
            sender.sendall((ONE % (number, 443)).encode()[piece : piece + 7])
    for sender in senders:
        sender.sendall((ONE % (100, 443)).encode())
    wait_until(lambda: count(sqlite_database) == 6)
    senders[0].sendall((ONE % (200, 443)).rstrip().encode())
    for sender in senders:
        sender.close()
    wait_until(lambda: count(sqlite_database) == 7)
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert "sensors: 7 read = 7 accepted" in out


def test_a_dry_run_says_what_a_file_holds_and_stores_nothing(
    cobalt: Any, sqlite_database: Database, home: Path
) -> None:
    """Hosts, ports, jobs by kind, look-ups and their time; the ledger stays empty."""
    sample = str(SAMPLES / "capture/connections.jsonl")
    out, _ = cobalt("--dry-run", sample, str(SAMPLES / "masscan/open.json")).communicate(timeout=PATIENCE)
    assert "29 read = 20 accepted + 0 duplicates + 7 rejected + 2 ignored" in out
    assert "20 connections, 42 hosts, 140 ports" in out
    assert "12 geolocation" in out
    assert "geolocation by ip-api: about 1 s" in out
    assert [count(sqlite_database, table) for table in ("sources", "hosts", "jobs")] == [0, 0, 0]
    told, _ = cobalt("--dry-run", "--json", sample).communicate(timeout=PATIENCE)
    assert json.loads(told)["totals"]["jobs"] == {"domain": 19, "geolocation": 12}


@pytest.mark.parametrize(
    ("limits", "lookups", "expected"),
    [
        ((Limit(window=60, calls=15),), 1500, 0.75),
        ((Limit(window=60, calls=15),), 15_000, 9 * 60 + 7.5),
        ((Limit(window=86400, calls=10),), 2000, 86400 + 1),
    ],
)
def test_look_ups_take_as_long_as_the_provider_allows(limits: tuple[Limit, ...], lookups: int, expected: float) -> None:
    """Full calls, one window after the other; the first one is open."""
    assert needed(Terms(provider="x", batch=100, limits=limits), lookups) == expected


def test_the_length_of_a_compressed_file_is_told_better_and_better(tmp_path: Path) -> None:
    """Nothing at first, an estimate on the way, the truth at the end: the time left can be shown."""
    file = tmp_path / "capture.gz"
    content = "".join(ONE % (number % 250, number % 60000) for number in range(100_000)).encode()
    file.write_bytes(gzip.compress(content))
    with contextlib.closing(FileStream(file)) as stream:
        assert stream.size is None
        stream.read(len(content) // 2)
        assert stream.size == pytest.approx(len(content), rel=0.3)
        while stream.read(1 << 20):
            pass
        assert stream.size == len(content)


def test_progress_is_shown_on_a_terminal_and_nowhere_else(cobalt: Any, home: Path, tmp_path: Path) -> None:
    """Rate, position and records on a terminal; a pipe gets the summary alone, and names are escaped on both."""
    file = tmp_path / "cap\x1b[31mture"
    file.write_text("".join(ONE % (number % 250, number % 60000) for number in range(3000)))
    ours, theirs = pty.openpty()
    shown = subprocess.Popen(
        [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "ingest", str(file)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
    )
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):
        # The terminal's end is told as an error.
        while piece := os.read(ours, 4096):
            seen += piece
    os.close(ours)
    out, _ = shown.communicate(timeout=PATIENCE)
    assert b"records" in seen
    assert b"\x1b[31mture" not in seen + out
    assert b"3000 read = 3000 accepted" in out
    quiet_out, quiet_err = cobalt(str(file)).communicate(timeout=PATIENCE)
    assert "nothing new" in quiet_out
    assert "records" not in quiet_err
