"""A file cut anywhere and completed later is the file that was never cut."""

import gzip
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from cobalt_tasks.core import settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import FileStream

SAMPLES = Path(__file__).parents[2] / "samples"
NAMES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*") if path.is_file())
CUTS = 200
"""Positions over all samples; each is tried on SQLite, and some on PostgreSQL."""

Tables = dict[str, list[tuple[Any, ...]]]
LEFT_OUT = {
    "id",
    "source_id",
    "arrived_at",
    "created_at",
    "not_before",
    "updated_at",
    "inode",
    "device",
    "name",
    "partial_line",
}
"""What differs from run to run, and says nothing about the input."""


def empty(connection: Connection) -> None:
    """Begin anew, faster than with another database."""
    for table in reversed(models.metadata.sorted_tables):
        connection.execute(table.delete())


def everything(database: Database) -> Tables:
    """Return all tables; what a line without a time says about time is left out."""
    found = {}
    with database.reading() as connection:
        # What is known of the clocks differs from run to run; a host is queued once for each batch with facts about it, and
        # when a later batch corrects a connection of it; versions are a dictionary, which keeps that of a line that was read
        # before it was whole.
        of_runs = {"clocks", "search_queue", "corrected_hosts", "unscored_hosts", "versions"}
        for table in (each for each in models.metadata.sorted_tables if each.name not in of_runs):
            columns = [column for column in table.c if column.name not in LEFT_OUT]
            rows = connection.execute(select(*columns)).all()
            found[table.name] = sorted((tuple(map(_timeless, row)) for row in rows), key=repr)
        found["traffic_counts"] = _counted(connection)
    return found


def _counted(connection: Connection) -> list[tuple[Any, ...]]:
    """Return how many connections are counted by minutes, hours and days: a minute may end while a file is read."""
    table = models.traffic_counts
    sums = select(table.c.span, table.c.protocol, func.sum(table.c.connections)).group_by(
        table.c.span, table.c.protocol
    )
    return sorted((span, protocol, int(number)) for span, protocol, number in connection.execute(sums))


def _timeless(value: Any) -> Any:
    # Anything later than the samples: stamped by this run.
    return "now" if isinstance(value, float) and value > 1_795_345_000 else value


class Ingester:
    """Ingests files into one ledger, in this process."""

    def __init__(self, database: Database) -> None:
        """Remember the ledger."""
        self.database = database

    def __call__(self, path: Path, format_name: str | None = None) -> Source:
        """Ingest a file, as a process of its own would: nothing is remembered from before."""
        pipeline = Pipeline(self.database, settings.load(), report=lambda _: None)
        stream = FileStream(path, "sample")
        try:
            return pipeline.run(stream, format_name=format_name)
        finally:
            stream.close()
            pipeline.close()


def check(
    ingest: Ingester, sample: Path, cuts: Iterable[int], folder: Path, pack: Callable[[bytes], bytes] = bytes
) -> None:
    """Ingest a sample cut at each position, complete it, and compare every table with that of the whole file."""
    data = sample.read_bytes()
    with ingest.database.writing() as connection:
        empty(connection)
    whole_file = folder / "whole"
    whole_file.write_bytes(data)
    whole = ingest(whole_file)
    expected = everything(ingest.database)
    for cut in cuts:
        with ingest.database.writing() as connection:
            empty(connection)
        grown = _grown(ingest, (pack(data[:cut]), pack(data[cut:])), folder / "part", whole)
        assert grown.tally == whole.tally
        got = everything(ingest.database)
        for name, rows in expected.items():
            assert got[name] == rows, f"{name} differs after a cut at {cut}"


def _grown(ingest: Ingester, pieces: tuple[bytes, bytes], file: Path, whole: Source) -> Source:
    """Ingest the beginning of a file, and then all of it; return what became of the source."""
    file.unlink(missing_ok=True)
    file.write_bytes(pieces[0])
    # Which format it is may not be to be seen yet.
    part = ingest(file, whole.format)
    assert part.rejected <= whole.rejected + 1
    file.write_bytes(b"".join(pieces))
    return ingest(file, whole.format)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_cut_anywhere_and_completed_gives_the_same_tables(
    name: str,
    sqlite_database: Database,
    home: Path,
    tmp_path: Path,
) -> None:
    """Random positions, the same in every run; every table is compared, the ledger and the checkpoint included."""
    size = (SAMPLES / name).stat().st_size
    draw = random.Random(name)
    cuts = draw.sample(range(1, size), -(-CUTS // len(NAMES)))
    check(Ingester(sqlite_database), SAMPLES / name, cuts, tmp_path)


@pytest.mark.parametrize("name", ["capture/connections.jsonl", "masscan/banners.list", "masscan/banners.xml"])
def test_cuts_are_healed_on_both_databases(name: str, database: Database, home: Path, tmp_path: Path) -> None:
    """What is undone is undone on PostgreSQL too."""
    size = (SAMPLES / name).stat().st_size
    check(Ingester(database), SAMPLES / name, random.Random(name).sample(range(1, size), 3), tmp_path)


def test_a_compressed_sample_is_completed_too(sqlite_database: Database, home: Path, tmp_path: Path) -> None:
    """A second gzip member continues the line the first ended in."""
    sample = SAMPLES / "masscan/banners.list"
    check(Ingester(sqlite_database), sample, (500, 3000), tmp_path, gzip.compress)


def test_a_cut_copy_without_its_rest_is_as_good_as_its_lines(
    sqlite_database: Database, home: Path, tmp_path: Path
) -> None:
    """All whole records are accepted, and one reject at most is added."""
    sample = SAMPLES / "masscan/open.ndjson"
    file = tmp_path / "copy"
    shutil.copy(sample, file)
    data = sample.read_bytes()
    for cut in (len(data) // 3, len(data) // 2 + 5):
        with sqlite_database.writing() as connection:
            empty(connection)
        file.write_bytes(data[:cut])
        source = Ingester(sqlite_database)(file)
        assert source.accepted == data[:cut].count(b"\n")
        assert source.rejected == 1
