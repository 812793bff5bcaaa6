"""How many jobs that do nothing pass through the whole state machine: row, message, claim, outcome.

    python benchmarks/jobs.py [--jobs 100000] [--rows 1000000] [--database sqlite|postgresql] [--server URL]

In one run, one after the other, with a Redis and a PostgreSQL of its own, on an otherwise idle machine:

- one Celery task for each job, no database: what a plain Celery program reaches;
- Cobalt: rows made as ingest makes them, real messages, real workers, an outcome and its freshness for each job;
- plain SQL alone: the same rows inserted, claimed and finished in batches by one process, no messages, no guards;
- Cobalt again among so many other rows, half of them final and half waiting: the cost of a job must not grow with them.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

import psutil
import psycopg
from celery import Celery
from servers import servers
from sqlalchemy import literal, select, text
from stack import address, empty, our_redis, private_redis, wait_until

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import Job, NewJob, Outcome, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import SENDABLE
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.dispatcher import Dispatcher

KIND = "geolocation"
LEVEL = 3
JOBS = 100_000
ROWS = 1_000_000
FEW_ROWS = 10_000
PLAIN_TASKS = 4_000
PLAIN_BATCH = 256
INSERTED_AT_ONCE = 1000
EARLIER = 10_000.0


class Figure(NamedTuple):
    """Jobs a second, and the processor time one job costs all processes together, in microseconds."""

    rate: float
    cost: float


def used() -> float:
    """Return the processor time that this process and all below it have used: workers, Redis, PostgreSQL."""
    own = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (own, *own.children(recursive=True)))


# A plain Celery program ---------------------------------------------------------------------------------------------

plain = Celery("plain", broker=os.environ.get("COBALT_BROKER_URL"))
plain.conf.update(task_ignore_result=True, task_default_queue="plain", worker_prefetch_multiplier=64)


@plain.task(name="plain.nothing")
def nothing(number: int) -> None:
    """Do nothing with one number."""


def plain_celery(workers: int) -> float:
    """Return how many tasks a second one worker with so many processes does; sending is not counted."""
    with closing(our_redis()) as client:
        with plain.producer_pool.acquire() as producer:
            for number in range(PLAIN_TASKS):
                nothing.apply_async((number,), producer=producer)
        with running("plain", workers):
            wait_until(lambda: client.llen("plain") < PLAIN_TASKS)
            began, left = time.perf_counter(), client.llen("plain")
            wait_until(lambda: not client.llen("plain") and not client.hlen("unacked"))
            return left / (time.perf_counter() - began)


# Plain SQL ----------------------------------------------------------------------------------------------------------


def plain_sql(database: Database, count: int) -> Figure:
    """Return how many jobs a second plain statements insert, claim and finish, in batches, in one process."""
    url = str(database.engine.url.render_as_string(hide_password=False))
    connect, mark = (sqlite3.connect, "?") if database.is_sqlite else (psycopg.connect, "%s")
    target = url.removeprefix("sqlite:///") if database.is_sqlite else url.replace("+psycopg", "")
    with closing(connect(target)) as connection:
        began, before = time.perf_counter(), used()
        columns = "kind, address, protocol, port, level, state, forced, isolated, attempts, not_before, created_at"
        marks = ", ".join([mark] * 11)
        for first in range(0, count, INSERTED_AT_ONCE):
            rows = [
                (KIND, address(first + number), "", 0, LEVEL, "pending", False, False, 0, began, began)
                for number in range(min(INSERTED_AT_ONCE, count - first))
            ]
            connection.cursor().executemany(f"INSERT INTO jobs ({columns}) VALUES ({marks})", rows)
            connection.commit()
        _claim_and_finish(connection, mark)
        return Figure(count / (time.perf_counter() - began), (used() - before) / count * 1e6)


def _claim_and_finish(connection: sqlite3.Connection | psycopg.Connection, mark: str) -> None:
    chosen = (
        f"SELECT id FROM jobs WHERE state = 'pending' AND waits_for IS NULL AND kind = '{KIND}' AND level = {LEVEL} "
    )
    claim = (
        f"UPDATE jobs SET state = 'running', claim = {mark}, lease = 1e12 "
        f"WHERE id IN ({chosen} ORDER BY not_before LIMIT {PLAIN_BATCH}) RETURNING id"
    )
    while ids := [row[0] for row in connection.execute(claim, ("one",)).fetchall()]:
        connection.commit()
        where = "id = ANY(%s)" if mark == "%s" else f"id IN ({','.join('?' * len(ids))})"
        given: Sequence[object] = (ids,) if mark == "%s" else ids
        connection.execute(f"UPDATE jobs SET state = 'done', finished_at = 1, claim = NULL WHERE {where}", given)
        connection.commit()


# Cobalt -------------------------------------------------------------------------------------------------------------


def cobalt(database: Database, count: int, others: int, workers: int) -> Figure:
    """Return how many jobs a second pass from row to outcome, among so many others, and what a job costs."""
    if others:
        fill(database, others)
    our_redis().close()
    dispatcher = Dispatcher(database, environment.load())
    with running("cobalt", workers):
        # Its processes have connected when the first few are done.
        make(database, dispatcher, range(10))
        wait_until(lambda: is_over(database))
        began, before = time.perf_counter(), used()
        make(database, dispatcher, range(10, 10 + count))
        wait_until(lambda: is_over(database))
        return Figure(count / (time.perf_counter() - began), (used() - before) / count * 1e6)


def make(database: Database, dispatcher: Dispatcher, numbers: range) -> None:
    """Make jobs and send them, as ingest does."""
    for first in numbers[::INSERTED_AT_ONCE]:
        some = range(first, min(first + INSERTED_AT_ONCE, numbers.stop))
        database.write(creation.create, [NewJob(kind=KIND, address=address(number)) for number in some])
        if first == numbers.start:
            dispatcher.dispatch([KIND])
    dispatcher.dispatch([KIND])


def fill(database: Database, rows: int) -> None:
    """Put other jobs into the ledger: half of them final, the others waiting until later."""
    names = (
        "kind, address, protocol, port, level, state, forced, isolated, attempts, not_before, created_at, finished_at"
    )
    now = time.time()
    waiting = Urgency.REFRESH + 2
    values = (
        (
            *(KIND, address((1 << 24) + number), "", 0),
            *((LEVEL, "done") if number % 2 else (waiting, "pending")),
            *(False, False, 0, now + EARLIER, now, now - EARLIER if number % 2 else None),
        )
        for number in range(rows)
    )
    with database.writing() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql(f"INSERT INTO jobs ({names}) VALUES ({', '.join('?' * 12)})", list(values))
        else:
            raw = connection.connection.driver_connection
            with raw.cursor() as cursor, cursor.copy(f"COPY jobs ({names}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
    # What filling leaves to be done later is not the cost of a job.
    if database.is_sqlite:
        with closing(sqlite3.connect(str(database.engine.url.database))) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE jobs")


def is_over(database: Database) -> bool:
    """Return whether all jobs of ours are final; cheap, so that asking does not slow what it waits for."""
    waiting = select(literal(1)).where(table.c.kind == KIND, table.c.level == LEVEL).limit(1)
    active = [f"state = '{state}'" for state in ("sent", "running")] + [SENDABLE]
    with database.reading() as connection:
        return not any(connection.execute(waiting.where(text(each))).first() for each in active)


def no_op(_own: object, batch: Sequence[Job]) -> list[Outcome]:
    """Answer at once."""
    return [Outcome(job=job, verdict=Verdict.DONE, code="nothing") for job in batch]


# The measurement ----------------------------------------------------------------------------------------------------


def work(role: str, processes: int) -> None:
    """Be a worker."""
    arguments = ["worker", "-c", str(processes), "-l", "WARNING", "--without-gossip", "--without-mingle"]
    if role == "plain":
        plain.worker_main([*arguments, "-Q", "plain"])
        return
    from cobalt_tasks.celery import app
    from workers import tasks

    tasks.RUNNERS[KIND] = no_op
    app.worker_main([*arguments, "-Q", KIND])


@contextmanager
def running(role: str, processes: int) -> Iterator[None]:
    """A worker beside us."""
    command = [sys.executable, __file__, "--role", role, "--workers", str(processes)]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def measure(kind: str, wishes: argparse.Namespace, celery: float, server: str | None, folder: str) -> None:
    """Measure one database, and print ratios."""

    def rate(work: Callable[..., Figure], *arguments: int) -> Figure:
        with empty(kind, server, folder) as database:
            return work(database, *arguments)

    bare = rate(plain_sql, wishes.jobs)
    ours = rate(cobalt, wishes.jobs, 0, wishes.workers)
    print(
        f"{kind:11} {wishes.jobs:,} jobs: Cobalt {ours.rate:,.0f}/s = {ours.rate / celery:.1f} x one Celery task a job, "
        f"{ours.rate / bare.rate:.2f} x plain SQL alone ({bare.rate:,.0f}/s); "
        f"processor time of a job {ours.cost:.0f} µs, of plain SQL {bare.cost:.0f} µs",
        flush=True,
    )
    if wishes.rows:
        # In turn, the best of each: what else runs on the machine is not to look like growth.
        both = [
            [rate(cobalt, wishes.jobs, others, wishes.workers) for others in (FEW_ROWS, wishes.rows)]
            for _ in range(wishes.rounds)
        ]
        few, many = (
            Figure(max(each.rate for each in some), min(each.cost for each in some)) for some in zip(*both, strict=True)
        )
        print(
            f"{kind:11} among {wishes.rows:,} rows {many.rate:,.0f}/s, among {FEW_ROWS:,} {few.rate:,.0f}/s: "
            f"a job takes {few.rate / many.rate:.2f} x as long, and {many.cost / few.cost:.2f} x the processor time",
            flush=True,
        )


def main() -> None:
    """Measure every database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--rows", type=int, default=ROWS, help="other rows beside; 0 leaves that part out")
    parser.add_argument("--rounds", type=int, default=2, help="how often that part is repeated")
    parser.add_argument("--workers", type=int, default=2, help="processes of the worker")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    wishes = parser.parse_args()
    if wishes.role:
        work(wishes.role, wishes.workers)
        return
    kinds = wishes.database or ["sqlite", "postgresql"]
    with (
        tempfile.TemporaryDirectory(prefix="cobalt-") as folder,
        private_redis(folder),
        servers(wishes.server, needed="postgresql" in kinds) as server,
    ):
        os.environ |= {"COBALT_HOME": folder, "COBALT_BROKER_URL": f"redis+socket://{folder}/redis.sock"}
        plain.conf.broker_url = os.environ["COBALT_BROKER_URL"]
        celery = plain_celery(wishes.workers)
        print(f"one Celery task a job, no database: {celery:,.0f}/s", flush=True)
        for kind in kinds:
            measure(kind, wishes, celery, server, folder)


if __name__ == "__main__":
    main()
