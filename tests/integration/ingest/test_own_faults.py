"""A fault of ours that one record meets: the record is refused with where the fault is, and the rest is read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cobalt_tasks.core import settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest import reading
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.capture import Capture
from cobalt_tasks.ingest.retry_rejects import retry_rejects
from cobalt_tasks.ingest.store.sources import Source

Ingest = Callable[..., Source]
TOO_LARGE = 1 << 80
"""No integer of any database."""


def line(number: int, **more: Any) -> str:
    """Return one line of a capture."""
    seen = {"src_ip": "192.0.2.2", "dst_ip": f"198.51.100.{number % 250}", "dst_port": 1000 + number}
    return json.dumps({"type": "connection", "timestamp": 1, **seen, **more}) + "\n"


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of captures has two faults: it raises for source port 7, and makes a number of 8 that no database takes."""
    take = Capture._take

    def with_faults(self: Capture, seen: Any, batch: Batch) -> None:
        if seen.src_port == 7:
            raise IndexError("secret of the line")
        take(self, seen, batch)
        if seen.src_port == 8:
            row = list(batch.observations.pop())
            row[6] = TOO_LARGE
            batch.observations.append(tuple(row))

    monkeypatch.setattr(Capture, "_take", with_faults)


def refused(database: Database) -> list[Any]:
    """Return (position, reason) of what was refused, in its order."""
    with database.reading() as connection:
        return [
            tuple(row) for row in connection.execute(text("SELECT position, reason FROM rejects ORDER BY position"))
        ]


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("ends", [True, False], ids=["whole", "last line without its end"])
def test_a_fault_of_ours_refuses_one_record(ingest: Ingest, database: Database, tmp_path: Path, ends: bool) -> None:
    """Wherever it is raised, in reading or in writing; all other records are stored once, and the source balances. The
    reason has its place and not its words, which may hold what was read. Break: `raise` at the start of the except in
    reading._try_to_store.
    """
    lines = [line(n) for n in range(200)]
    for n in (0, 77, 78, 199):
        lines[n] = line(n, src_port=7)
    lines[120] = line(120, src_port=8)
    file = tmp_path / "capture.jsonl"
    file.write_text("".join(lines).removesuffix("" if ends else "\n"))
    source = ingest(file)
    assert (source.read, source.accepted, source.rejected) == (200, 195, 5)
    at = [len("".join(lines[:n])) for n in (0, 77, 78, 120, 199)]
    found = refused(database)
    assert [position for position, _ in found] == at
    assert all("a fault of Cobalt" in reason and "secret" not in reason for _, reason in found)
    assert "IndexError" in found[0][1]
    with database.reading() as connection:
        ports = connection.execute(text("SELECT dst_port FROM observations ORDER BY dst_port")).scalars().all()
    assert ports == [1000 + n for n in range(200) if n not in {0, 77, 78, 120, 199}]
    # Nothing to do a second time, and to try again ends nothing either.
    assert ingest(file).read == 200
    assert retry_rejects(database, settings.load())[1] == 0


@pytest.mark.usefixtures("faulty")
def test_a_fault_that_all_records_meet_ends_the_reading(
    ingest: Ingest, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no strange record then, and a whole file is not to be refused for it. Break: no bound in reading._refuse."""
    monkeypatch.setattr(reading, "_MOST_FAULTS", 3)
    file = tmp_path / "capture.jsonl"
    file.write_text("".join(line(n, src_port=7) for n in range(20)))
    with pytest.raises(IndexError):
        ingest(file)
    assert len(refused(database)) == 3
