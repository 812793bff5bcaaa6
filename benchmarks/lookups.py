"""How many names of addresses a worker looks up in a second, all in all: jobs claimed, asked of a resolver and stored.

    python benchmarks/lookups.py [--jobs 40000] [--processes 2]

Everything is real and on this machine: Redis, a worker, a ledger on SQLite, and a resolver that knows no name. The goal is
5,000 a second on two cores; on a busy machine the processor time of a job is the figure that counts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import psutil
from sqlalchemy import func, select
from stack import empty, our_redis, private_redis, wait_until

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.records import ACTIVE_STATES, NewJob
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.dispatcher import Dispatcher

_FIRST = int(IPv4Address("20.0.0.0"))
_KIND = "domain"
_RESOLVER = r"""
import socket
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
print(own.getsockname()[1], flush=True)
while True:
    question, peer = own.recvfrom(600)
    own.sendto(question[:2] + b"\x81\x83" + question[4:], peer)
"""


@contextmanager
def resolver() -> Iterator[str]:
    """Yield the address and port of a resolver that knows no name, in a process of its own."""
    with subprocess.Popen([sys.executable, "-c", _RESOLVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def measure(database: Database, count: int, processes: int) -> None:
    """Print the look-ups in a second, and what each costs.

    database: an empty ledger; count: how many; processes: of the worker.
    """
    new = [NewJob(kind=_KIND, address=str(IPv4Address(_FIRST + number))) for number in range(count)]
    for start in range(0, count, 5000):
        database.write(creation.create, new[start : start + 5000])
    command = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "worker", "-Q", _KIND, "-l", "ERROR"]
    worker = subprocess.Popen([*command, "-c", str(processes)], stdout=subprocess.DEVNULL)
    try:
        # Ready before the first job, so that its start is not measured.
        time.sleep(8)
        pool = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children()]
        before = _processor_seconds(pool)
        Dispatcher(database, environment.load()).dispatch([_KIND])
        left = select(func.count()).select_from(jobs).where(jobs.c.state.in_(ACTIVE_STATES))
        wait_until(lambda: not _first(database, left)[0])
        spent = _processor_seconds(pool) - before
    finally:
        worker.terminate()
        worker.wait(60)
    first, last = _first(database, select(func.min(jobs.c.started_at), func.max(jobs.c.finished_at)))
    print(
        f"{count} look-ups in {last - first:.1f} s: {count / (last - first):.0f} a second with {processes} processes; "
        f"{spent / count * 1e6:.0f} µs of processor time each; load {os.getloadavg()[0]:.1f}"
    )


def _processor_seconds(pool: list[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in pool)


def _first(database: Database, query: object) -> tuple[float, ...]:
    with database.reading() as connection:
        return tuple(connection.execute(query).one())


def main() -> None:
    """Measure it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=40_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cobalt-bench-") as folder, resolver() as address:
        os.environ |= {"COBALT_HOME": folder, "COBALT_SCOPE": "127.0.0.0/8", "COBALT_GEO_PROVIDERS": "mmdb"}
        os.environ |= {"COBALT_BROKER_URL": f"redis+socket://{folder}/redis.sock", "COBALT_RESOLVERS": address}
        with private_redis(folder), empty("sqlite", None, folder) as database:
            our_redis()
            measure(database, options.jobs, options.processes)


if __name__ == "__main__":
    main()
