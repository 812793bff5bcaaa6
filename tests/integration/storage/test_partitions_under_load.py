"""Parts of the table of connections are made and dropped while others write, with kill -9 and a clock that is stepped."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.db import counts, partitions, tables
from cobalt_tasks.db.engine import Database

TODAY = int(time.time() // DAY)
FIRST = TODAY - 60
KEPT_DAYS = 30
SECONDS = 45

WRITER = """
import sys, time
from pathlib import Path
from cobalt_tasks.core.records import Observation
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store import write_batch
url, folder, name = sys.argv[1:]
database, log, number = Database(url), open(f"{folder}/{name}.log", "a"), time.time_ns()
while True:
    day = int(Path(folder, "day").read_text())
    batch = Batch(1, day * 86400.0, "zeek")
    for line in range(50):
        number += 1
        ends = {"src_ip": "10.0.0.1", "src_port": 1, "dst_ip": "192.0.2.1", "dst_port": 443}
        batch.observe(Observation(**ends, identity=f"{name} {number}" if line % 2 else None, observed_at=day * 86400.0))
    # Written before and after: a batch that is cut off by kill -9 may or may not be there.
    print("try", day, file=log, flush=True)
    tally = database.write(write_batch.write, batch)
    print("done", day, tally.accepted, file=log, flush=True)
"""
UPKEEP = """
import sys
from pathlib import Path
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.db import partitions
from cobalt_tasks.db.engine import Database
url, folder, days = sys.argv[1:]
database, limit = Database(url), KeepLimit(f"{days}d")
partitions._COUNTED_AT_ONCE = 500
partitions._today = lambda _connection: int(Path(folder, "day").read_text())
while True:
    partitions.keep_up(database, limit)
    partitions.drop_old(database, limit, 2**62)
"""


@pytest.mark.long
def test_nothing_is_lost(partitioned: Database, postgres_url: str, tmp_path: Path) -> None:
    """Every connection of the days that are kept is there once, the count is that of the rows, and no writer failed.

    Two writers and the upkeep are killed at any moment, again and again; days pass, some of them backwards.
    Break: `_start_ids` before a part is made, or the order of the steps in `drop_old`.
    """
    chance = random.Random(1)
    day = tmp_path / "day"
    day.write_text(str(FIRST))
    programs = {name: (WRITER, name) for name in ("one", "two")} | {"upkeep": (UPKEEP, str(KEPT_DAYS))}
    running: dict[str, subprocess.Popen[bytes]] = {}
    killed = 0

    def start(name: str) -> None:
        script, argument = programs[name]
        command = [sys.executable, "-c", script, postgres_url, str(tmp_path), argument]
        with (tmp_path / f"{name}.err").open("ab") as errors:
            running[name] = subprocess.Popen(command, stderr=errors)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(partitions, "_today", lambda _connection: FIRST)
        partitions.keep_up(partitioned, KeepLimit(f"{KEPT_DAYS}d"))
    for name in programs:
        start(name)
    until = time.monotonic() + SECONDS
    passed = FIRST
    while time.monotonic() < until:
        time.sleep(0.5)
        passed = min(TODAY, passed + chance.choice([0, 1, 1, 2]))
        # Renamed into place: a reader sees a whole number.
        (tmp_path / "new").write_text(str(passed - chance.choice([0, 0, 0, 15])))
        (tmp_path / "new").replace(day)
        name = chance.choice(list(programs))
        if chance.random() < 0.1:
            running[name].kill()
            running[name].wait()
            killed += 1
            start(name)
        assert all(each.poll() is None for each in running.values()), {
            each: (tmp_path / f"{each}.err").read_text() for each in running
        }
    for each in running.values():
        each.kill()
        each.wait()
    assert killed
    _check(partitioned, tmp_path)


def _check(partitioned: Database, folder: Path) -> None:
    surely: Counter[int] = Counter()
    perhaps: Counter[int] = Counter()
    for name in ("one", "two"):
        for line in (folder / f"{name}.log").read_text().splitlines():
            word, at, *accepted = line.split()
            if word == "done":
                surely[int(at)] += int(accepted[0])
            perhaps[int(at)] += 50 if word == "try" else 0
    while partitions.drop_old(partitioned, KeepLimit(f"{KEPT_DAYS}d"), 2**62) or _unfinished(partitioned):
        pass
    arrived = tables.observations.c.arrived_at
    with partitioned.reading() as connection:
        rows = connection.execute(select(arrived, func.count()).group_by(arrived)).all()
        stored = {int(at // DAY): number for at, number in rows}
        total = connection.execute(select(func.count()).select_from(tables.observations)).scalar_one()
        assert counts.table_size(connection, tables.observations) == total
        assert len(partitions.parts(connection)) < (TODAY + 14 - FIRST) / 7
    kept = [at for at in surely if at > TODAY - KEPT_DAYS]
    assert kept
    assert [at for at in kept if not surely[at] <= stored.get(at, 0) <= perhaps[at]] == []
    assert all(number <= perhaps[at] for at, number in stored.items())
    assert sum(stored.values()) < sum(surely.values()), "nothing was dropped"


def _unfinished(partitioned: Database) -> bool:
    with partitioned.reading() as connection:
        gone = text("SELECT count(*) FROM pg_class WHERE relname LIKE 'observations_gone%' AND relkind = 'r'")
        return bool(connection.execute(gone).scalar_one())
