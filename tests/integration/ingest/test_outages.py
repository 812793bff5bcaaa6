"""What is away comes back: the database and the broker are not needed for a line to be safe."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.db import schema
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.commit import Committer
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.store import sources
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Tally
from cobalt_tasks.ingest.streams.files import FileStream
from tests.support.waiting import PATIENCE

ONE = '{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.%d", "dst_port": %d, "timestamp": 1}\n'
CHECKPOINT = Checkpoint(position=10, format="capture", head=None, head_length=0, tail=None)


def test_jobs_wait_in_the_ledger_while_no_broker_answers(
    ingest: Callable[..., Source],
    database: Database,
    said: list[str],
    tmp_path: Path,
) -> None:
    """Everything is stored and said once; the jobs are pending."""
    for number in range(3):
        file = tmp_path / str(number)
        file.write_text(ONE % (number, 443) + ONE.replace("198.51.100.%d", "8.8.8.%d") % (number, 443))
        assert ingest(file).accepted == 2
    with database.reading() as connection:
        states = connection.execute(text("SELECT DISTINCT state FROM jobs")).scalars().all()
        kinds = connection.execute(text("SELECT kind, count(*) FROM jobs GROUP BY kind ORDER BY kind")).all()
    assert states == ["pending"]
    assert [tuple(row) for row in kinds] == [("domain", 7), ("geolocation", 3)]


def test_jobs_are_sent_when_a_broker_answers(
    sqlite_database: Database, home: Path, redis_url: str, tmp_path: Path
) -> None:
    """After the commit the queues are topped up."""
    file = tmp_path / "scan"
    file.write_text("open tcp 22 8.8.8.8 1760000000\n")
    pipeline = Pipeline(sqlite_database, settings.load(), report=pytest.fail)
    stream = FileStream(file)
    pipeline.run(stream)
    pipeline.close()
    stream.close()
    with sqlite_database.reading() as connection:
        rows = connection.execute(text("SELECT kind, state FROM jobs ORDER BY kind")).all()
    assert [tuple(row) for row in rows] == [("banner", "sent"), ("domain", "sent"), ("geolocation", "sent")]


def test_a_commit_whose_answer_was_lost_is_not_repeated(database: Database) -> None:
    """The connection ends between the commit and its answer: the batch is there once, and reading goes on."""
    with database.writing() as connection:
        source = sources.create(connection, "pipe")
    said: list[str] = []
    committer = Committer(_LosesTheAnswer(database), said.append, lambda: False)  # type: ignore[arg-type]
    moved = committer.commit(source, 10, lambda c: sources.advance(c, source, CHECKPOINT, Tally(read=1, accepted=1)))
    assert (moved.position, moved.read) == (10, 1)
    assert said[0].endswith("waiting for it")


class _LosesTheAnswer:
    """A database whose first commit is done and not answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lost = False

    def write(self, work: Callable[..., Source]) -> Source:
        """Write; lose the answer the first time."""
        done = self._database.write(work)
        if not self._lost:
            self._lost = True
            raise DatabaseUnavailableError
        return done

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)


@pytest.mark.timeout(2 * PATIENCE)
def test_a_lost_database_is_waited_for(postgres_url: str, postgres_server: str, home: Path) -> None:
    """Connections are cut and refused for a while: the pipe is read on, and afterwards all is stored once."""
    database = Database(postgres_url)
    schema.upgrade(database)
    name = postgres_url.rsplit("/", 1)[1]
    running = subprocess.Popen(
        [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "ingest", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "COBALT_DATABASE_URL": postgres_url},
    )
    assert running.stdin is not None
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        for number in range(60):
            if number == 20:
                admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            if number == 50:
                # More than any pipe holds was taken while no connection was allowed.
                admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            running.stdin.write("".join(ONE % (number, port) for port in range(500)).encode())
            running.stdin.flush()
            time.sleep(0.05)
    out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, err
    assert b"30000 read = 30000 accepted" in out
    assert b"the database does not answer" in err
    assert b"the database answers again" in err
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM observations")).scalar() == 30_000
    database.dispose()
