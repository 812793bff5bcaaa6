"""What ingest tests share: a way to ingest a stream, and the tables as plain rows."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cobalt_tasks.core import settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import FileStream

SAMPLES = Path(__file__).parents[2] / "samples"

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what a command does whatever its database is: each start of one costs as much as fifty tests without."""

Ingest = Callable[..., Source]
Tables = Callable[..., dict[str, list[tuple[Any, ...]]]]


@contextmanager
def commands() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give what starts `cobalt ingest` on the ledger that the environment names; what still runs is ended."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "ingest", *arguments]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, env={**os.environ}, **pipes))
        return started[-1]

    yield begin
    for each in started:
        each.kill()
        each.communicate()


@pytest.fixture
def said() -> list[str]:
    """What was said to people."""
    return []


@pytest.fixture
def ingest(database: Database, home: Path, said: list[str]) -> Iterator[Ingest]:
    """Ingest a file into the ledger, in this process; no broker answers."""
    pipelines = []

    def run(path: Path, **wishes: Any) -> Source:
        pipeline = Pipeline(database, settings.load(), report=said.append)
        pipelines.append(pipeline)
        stream = FileStream(path)
        try:
            return pipeline.run(stream, **wishes)
        finally:
            stream.close()

    yield run
    for pipeline in pipelines:
        pipeline.close()


@pytest.fixture
def tables(database: Database) -> Tables:
    """Read tables as sets of rows, without what differs from run to run: ids and times of arrival."""
    return lambda *, without=(): read_tables(database, without)


def read_tables(database: Database, without: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows that input makes, comparable between ledgers."""
    left_out = {"id", "source_id", "arrived_at", "created_at", "not_before", *without}
    named = ("observations", "discoveries", "rejects", "hosts", "ports", "banners", "certificates", "sightings")
    found = {}
    with database.reading() as connection:
        for name in (*named, "hostnames", "jobs", "freshness"):
            table = models.metadata.tables[name]
            columns = [column for column in table.c if column.name not in left_out]
            found[name] = sorted(map(tuple, connection.execute(select(*columns))), key=repr)
    return found
