"""Checkpoints, generations and last lines: nothing is lost, nothing comes twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cobalt_tasks.core.errors import CheckpointMovedError, ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest import source_identity as identity
from cobalt_tasks.ingest.store import sources
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Tally
from cobalt_tasks.ingest.streams.files import FileStream

Rows = dict[str, list[tuple[Any, ...]]]
SAMPLES = Path(__file__).parents[2] / "samples"
LINES = "".join(f"open tcp {port} 192.0.2.{port} 1760000{port:03d}\n" for port in range(100, 200))
ONE = '{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.%d", "dst_port": 443, "timestamp": 1}\n'


def test_a_grown_file_is_read_on(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """What was appended is read; what was there is not read again."""
    file = tmp_path / "scan"
    file.write_text(LINES[:1001])
    first = ingest(file)
    file.write_text(LINES)
    second = ingest(file)
    assert (first.id, second.read, second.accepted, second.position) == (second.id, 100, 100, len(LINES))


@pytest.mark.parametrize("cut", [1, 20, 33, 38])
def test_a_grown_last_line_is_completed(
    cut: int, ingest: Callable[..., Source], tables: Callable[..., Rows], tmp_path: Path
) -> None:
    """A line cut anywhere and completed later leaves the same tables as the whole file, jobs and hosts included."""
    whole, part = tmp_path / "whole", tmp_path / "part"
    lines = LINES[:396] + "banner tcp 22 192.0.2.10 1760000003 ssh SSH-2.0-OpenSSH_9.6p1\n"
    end = lines.index("banner") + cut + 20
    whole.write_text(lines)
    ingest(whole)
    expected = tables()
    with_whole = {name: len(rows) for name, rows in expected.items()}
    part.write_text(lines[:end])
    ingest(part)
    part.write_text(lines)
    grown = ingest(part)
    got = tables()
    assert (grown.read, grown.accepted, grown.rejected) == (len(lines.splitlines()), grown.read, 0)
    assert got["discoveries"] == sorted(2 * expected["discoveries"], key=repr)
    for name in set(with_whole) - {"discoveries"}:
        assert got[name] == expected[name]


@pytest.mark.parametrize("cut", [-75, -64, -50, -40, -22, -1])
def test_a_cut_line_leaves_no_trace(
    cut: int, ingest: Callable[..., Source], tables: Callable[..., Rows], tmp_path: Path, database: Database
) -> None:
    """What a half line said is taken back: a wrong address, a wrong time, half a banner."""
    part = tmp_path / "part"
    lines = (
        LINES[:396]
        + "open tcp 80 198.51.100.77 1760000003\nbanner tcp 22 192.0.2.10 1760000003 ssh SSH-2.0-OpenSSH_9.6p1\n"
    )
    part.write_text(lines[:cut])
    ingest(part)
    part.write_text(lines)
    ingest(part)
    got = tables()
    with database.writing() as connection:
        for table in (
            "observations",
            "discoveries",
            "rejects",
            "hosts",
            "ports",
            "banners",
            "jobs",
            "freshness",
            "sources",
        ):
            connection.execute(text(f"DELETE FROM {table}"))
    whole = tmp_path / "whole"
    whole.write_text(lines)
    ingest(whole)
    assert got == tables()


def test_the_same_last_line_is_not_read_twice(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """A file without a final newline, ingested again and again, keeps its ledger."""
    file = tmp_path / "scan"
    file.write_text(LINES.rstrip("\n"))
    ledgers = [(each.read, each.accepted) for each in (ingest(file), ingest(file), ingest(file))]
    assert ledgers == [(100, 100)] * 3


def test_a_shrunk_file_is_a_new_generation(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """A daily scan that reuses its file name is read from its beginning, with a ledger of its own."""
    file = tmp_path / "scan"
    file.write_text(LINES)
    first = ingest(file)
    file.write_text(LINES[:360])
    second = ingest(file)
    assert (second.name, second.generation, second.read) == (first.name, 2, 10)
    assert second.id != first.id


def test_other_content_of_the_same_length_is_a_new_generation(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """A file is known by its content too."""
    file = tmp_path / "scan"
    file.write_text(LINES)
    ingest(file)
    file.write_text(LINES.replace("192.0.2", "192.0.3"))
    assert ingest(file).generation == 2


def test_a_change_just_before_the_checkpoint_is_a_new_generation(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """The same head is not enough: the bytes before the checkpoint count."""
    file = tmp_path / "scan"
    lines = LINES * 10
    file.write_text(lines)
    ingest(file)
    file.write_text(lines[:-2] + "8\n")
    assert ingest(file).generation == 2


def test_a_renamed_file_is_the_same_source(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """The same file under a new name is not read again."""
    file = tmp_path / "scan"
    file.write_text(LINES)
    first = ingest(file)
    file.rename(tmp_path / "renamed")
    assert ingest(tmp_path / "renamed").id == first.id


def test_of_two_readers_one_wins(database: Database) -> None:
    """The checkpoint moves only from where a reader saw it: invariants 1 and 3 of docs/architecture.md.

    Break: the conditions on position and read in sources.advance.
    """
    checkpoint = Checkpoint(position=10, format="capture", head=None, head_length=0, tail=None)
    with database.writing() as connection:
        source = sources.create(connection, "pipe")
        sources.advance(connection, source, checkpoint, Tally(read=1, accepted=1))
    with pytest.raises(CheckpointMovedError), database.writing() as connection:
        sources.advance(connection, source, checkpoint, Tally(read=1, accepted=1))
    with database.reading() as connection:
        now = sources.get(connection, source.id)
    assert now is not None
    assert (now.position, now.read) == (10, 1)


def test_of_two_that_make_the_same_source_one_wins(database: Database, tmp_path: Path) -> None:
    """A file read for the first time by two at once becomes one source."""
    file = tmp_path / "scan"
    file.write_text(LINES)
    stream = FileStream(file)
    identity.make(database, stream)
    with pytest.raises(CheckpointMovedError), database.writing() as connection:
        sources.create(connection, stream.name, device=stream.device, inode=stream.inode)
    stream.close()


def test_a_long_line_is_refused_without_being_held(
    ingest: Callable[..., Source], database: Database, tmp_path: Path
) -> None:
    """A line of 5 MiB is one reject of 4 KiB; the lines around it are read. Invariant 8. Break: `_refuse_long` in
    ingest/reading.py.
    """
    file = tmp_path / "capture"
    file.write_text(ONE % 1 + "x" * (5 << 20) + "\n" + ONE % 2)
    source = ingest(file)
    with database.reading() as connection:
        kept = connection.execute(text("SELECT position, length(line), reason FROM rejects")).one()
    assert (source.read, source.accepted, source.rejected) == (3, 2, 1)
    assert tuple(kept) == (len(ONE % 1), 4096, "longer than 1 MiB")


def test_reading_goes_on_inside_a_long_line(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """A long line that was cut when the file was read first is passed over when the rest has come."""
    file = tmp_path / "capture"
    file.write_text(ONE % 1 + "x" * (2 << 20))
    assert ingest(file).rejected == 1
    with file.open("a") as grown:
        grown.write("x" * (2 << 20) + "\n" + ONE % 2)
    source = ingest(file)
    assert (source.read, source.accepted, source.rejected) == (3, 2, 1)


def test_another_format_is_not_mixed_in(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """The format of a source is fixed with its first record."""
    file = tmp_path / "scan"
    file.write_text(LINES)
    ingest(file)
    with pytest.raises(ConfigurationError, match="forget"):
        ingest(file, format_name="capture")


def test_what_looks_like_nothing_is_not_begun(
    ingest: Callable[..., Source], database: Database, tmp_path: Path
) -> None:
    """A file of no known format leaves no source behind, so that it can be read with --format later."""
    file = tmp_path / "prose"
    file.write_text("Once upon a time\n")
    with pytest.raises(ConfigurationError, match="not recognised"):
        ingest(file)
    with database.reading() as connection:
        assert sources.everything(connection) == []


def test_an_empty_file_holds_nothing(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """Masscan makes a file of no bytes when it finds nothing."""
    file = tmp_path / "nothing.json"
    file.touch()
    assert (ingest(file).read, ingest(file).generation) == (0, 1)


def test_a_half_port_leaves_no_host_port_or_job(
    ingest: Callable[..., Source],
    tables: Callable[..., Rows],
    tmp_path: Path,
) -> None:
    """`192.0.2.77:44` is a port of its own, until the line turns out to be another: then nothing of it stays."""
    file = tmp_path / "ports"
    file.write_text("192.0.2.1:80\n192.0.2.77:44")
    ingest(file)
    assert ("banner", "192.0.2.77", "tcp", 44) in {row[:4] for row in tables()["jobs"]}
    file.write_text("192.0.2.1:80\n192.0.2.77:4434\n")
    ingest(file)
    rows = tables()
    assert {row[:4] for row in rows["jobs"] if row[0] == "banner"} == {
        ("banner", "192.0.2.1", "tcp", 80),
        ("banner", "192.0.2.77", "tcp", 4434),
    }
    assert {row[:3] for row in rows["ports"]} == {("192.0.2.1", "tcp", 80), ("192.0.2.77", "tcp", 4434)}


def test_what_others_did_to_a_half_line_stays(
    ingest: Callable[..., Source],
    tables: Callable[..., Rows],
    database: Database,
    tmp_path: Path,
) -> None:
    """A job that a worker has begun, and a port that a probe has filled in, are not taken back."""
    file = tmp_path / "ports"
    file.write_text("192.0.2.1:80\n192.0.2.77:44")
    ingest(file)
    with database.writing() as connection:
        connection.execute(text("UPDATE jobs SET state = 'running' WHERE port = 44"))
        connection.execute(text("UPDATE ports SET service = 'ssh' WHERE port = 44"))
    file.write_text("192.0.2.1:80\n192.0.2.77:4434\n")
    ingest(file)
    rows = tables()
    assert ("192.0.2.77", "tcp", 44) in {row[:3] for row in rows["ports"]}
    assert ("banner", "192.0.2.77", "tcp", 44) in {row[:4] for row in rows["jobs"]}


def test_another_last_line_is_a_new_generation(ingest: Callable[..., Source], tmp_path: Path) -> None:
    """The provisional line must be the beginning of what stands there now."""
    file = tmp_path / "ports"
    file.write_text("192.0.2.1:80\n192.0.2.77:44")
    ingest(file)
    file.write_text("192.0.2.1:80\n192.0.2.99:4434\n")
    assert ingest(file).generation == 2
