"""How fast banners are grabbed: silent targets in a scan, greetings beside a bare loop, hostile peers, memory, and nmap.

    python benchmarks/probes.py [--targets 10000] [--processes 2] [--nmap 40]

Everything is real and on this machine: Redis, a worker with as many processes as `cobalt up` has, a ledger on SQLite, and
servers on loopback addresses. Each figure stands beside what a bare program, or the best that is possible, takes in the
same run. The goals are those of the project: with half of the targets silent at most 1.2 times the rounds of silent ones,
greetings at 0.6 of the bare loop, good targets among hostile ones at 1.5 times alone and 0.5 s, 200 MiB for a process.
"""

import argparse
import asyncio
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from jobs import empty, our_redis, private_redis
from sqlalchemy import Connection, func, select

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.machine import free_descriptors
from cobalt_tasks.core.records import ACTIVE_STATES, NewJob
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.dispatcher import Dispatcher
from tests.support import hostile_peers
from workers.net import MOST_OPEN

ROOT = Path(__file__).parents[1]
SILENT_SECONDS = 5.0
LONGEST = 600.0
EACH_KIND, GOOD = 50, 100
AT_ONCE = 512
Targets = Sequence[tuple[str, int]]


_BANNERS = jobs.c.kind == "banner"
"""Those of certificates that follow are of another queue."""

_COLUMNS = (jobs.c.port, jobs.c.outcome, jobs.c.started_at, jobs.c.finished_at)


@contextmanager
def peers(folder: str) -> Iterator[None]:
    """Serve every kind of peer."""
    command = [sys.executable, "-m", "tests.support.hostile_peers", folder]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield
    finally:
        server.kill()
        server.wait()


class Run:
    """What one worker made of some targets."""

    def __init__(self, targets: Targets, processes: int, folder: str) -> None:
        """Do them all."""
        self.memory = 0
        our_redis()
        with next_ledger(folder) as database:
            new = [NewJob(kind="banner", address=address, protocol="tcp", port=port) for address, port in targets]
            for start in range(0, len(new), 5000):
                database.write(creation.create, new[start : start + 5000])
            with Path(folder, "worker.log").open("ab") as log:
                command = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "worker", "-Q", "banner", "-l", "INFO"]
                worker = subprocess.Popen([*command, "-c", str(processes)], cwd=ROOT, stdout=log, stderr=log)
            try:
                # Ready before the first job, so that its start is not measured.
                time.sleep(6)
                dispatcher = Dispatcher(database, environment.load())
                dispatcher.dispatch(["banner"])
                self._wait(database, worker.pid)
            finally:
                worker.terminate()
                worker.wait(60)
            with database.reading() as connection:
                self._read(connection)

    def _wait(self, database: Database, pid: int) -> None:
        left = select(func.count()).select_from(jobs).where(_BANNERS, jobs.c.state.in_(ACTIVE_STATES))
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            for child in psutil.Process(pid).children():
                self.memory = max(self.memory, child.memory_info().rss)
            with database.reading() as connection:
                if not connection.execute(left).scalar_one():
                    return
            time.sleep(0.3)

    def _read(self, connection: Connection) -> None:
        rows = connection.execute(select(*_COLUMNS).where(_BANNERS)).all()
        ended = [row for row in rows if row.finished_at is not None]
        self.left = len(rows) - len(ended)
        self.outcomes = dict(Counter(row.outcome for row in rows))
        self.seconds = max(row.finished_at for row in ended) - min(row.started_at for row in ended)
        found = [row for row in ended if row.port == hostile_peers.PORTS["good"] and row.outcome == "open"]
        good = [row.finished_at - row.started_at for row in found]
        self.found = len(found)
        self.good = statistics.quantiles(good, n=20)[-1] if len(good) > 1 else math.nan


@contextmanager
def next_ledger(folder: str) -> Iterator[Database]:
    """Yield an empty ledger."""
    with empty("sqlite", None, folder) as database:
        yield database


async def bare(targets: Targets) -> float:
    """Return the seconds a bare loop takes to connect, to read a line, and to close."""
    left = iter(targets)

    async def greet() -> None:
        for address, port in left:
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    reader, writer = await asyncio.open_connection(address, port)
                    await reader.readline()
                    writer.transport.abort()
            except (OSError, TimeoutError):
                continue

    start = time.perf_counter()
    await asyncio.gather(*(greet() for _ in range(AT_ONCE)))
    return time.perf_counter() - start


def mixed(kind: str, count: int) -> list[tuple[str, int]]:
    """Return good targets and as many of another kind, in random order."""
    found = hostile_peers.targets("good", count // 2) + hostile_peers.targets(kind, count // 2)
    random.Random(1).shuffle(found)
    return found


def silent(kind: str, count: int, processes: int, folder: str) -> None:
    """Print how long a scan takes in which every second target is silent."""
    run = Run(mixed(kind, count), processes, folder)
    ideal = math.ceil(count // 2 / (min(MOST_OPEN, free_descriptors()) * processes)) * SILENT_SECONDS
    print(
        f"{count} targets, every second {kind}: {run.seconds:.1f} s, {run.seconds / ideal:.2f} of the {ideal:.0f} s of its "
        f"rounds; {run.memory / 2**20:.0f} MiB a process; {run.outcomes}",
        flush=True,
    )


def greetings(count: int, processes: int, folder: str) -> None:
    """Print how fast greetings are grabbed and stored, beside the bare loop in one process."""
    targets = hostile_peers.targets("good", count)
    loop = asyncio.run(bare(targets))
    run = Run(targets, processes, folder)
    print(
        f"{count} greetings: bare loop {count / loop:.0f}/s; claimed, grabbed and stored {count / run.seconds:.0f}/s, "
        f"{loop / run.seconds:.2f} of it; {run.memory / 2**20:.0f} MiB a process",
        flush=True,
    )


def hostile(processes: int, folder: str) -> None:
    """Print what good targets take alone, and among hostile ones."""
    good = hostile_peers.targets("good", GOOD)
    alone = Run(good, processes, folder)
    others = [each for kind in hostile_peers.PORTS if kind != "good" for each in hostile_peers.targets(kind, EACH_KIND)]
    everything = good + others
    random.Random(1).shuffle(everything)
    run = Run(everything, processes, folder)
    print(
        f"{run.found} of {GOOD} good ones found among {len(others)} hostile targets ({alone.found} alone): 95th percentile "
        f"{run.good:.2f} s, alone {alone.good:.2f} s, at "
        f"most {1.5 * alone.good + 0.5:.2f} s; all in {run.seconds:.1f} s, {run.left} left; {run.outcomes}",
        flush=True,
    )


def nmap(count: int, processes: int, folder: str) -> None:
    """Print what `nmap -sV` takes for a small share of the same targets, where it is installed."""
    program = shutil.which("nmap")
    if program is None or not count:
        print("nmap is not installed")
        return
    targets = mixed("silent", count)
    start = time.perf_counter()
    ports = ",".join(str(hostile_peers.PORTS[kind]) for kind in ("good", "silent"))
    command = [program, "-sT", "-sV", "-Pn", "-n", "-p", ports, *sorted({address for address, _ in targets})]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=LONGEST)
    taken = time.perf_counter() - start
    run = Run(targets, processes, folder)
    print(f"{count} targets, every second silent: nmap -sV {taken:.1f} s, Cobalt {run.seconds:.1f} s", flush=True)


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--nmap", type=int, default=40, help="targets that nmap scans too; 0 for none")
    parser.add_argument("--only", choices=["silent", "dropped", "greetings", "hostile", "nmap"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cobalt-bench-") as folder:
        os.environ |= {"COBALT_HOME": folder, "COBALT_SCOPE": "127.0.0.0/8", "COBALT_OFFLINE": "true"}
        os.environ["COBALT_BROKER_URL"] = f"redis+socket://{folder}/redis.sock"
        parts = {
            "greetings": lambda: greetings(options.targets, options.processes, folder),
            "silent": lambda: silent("silent", options.targets, options.processes, folder),
            "dropped": lambda: silent(hostile_peers.DROPPED, options.targets, options.processes, folder),
            "hostile": lambda: hostile(options.processes, folder),
            "nmap": lambda: nmap(options.nmap, options.processes, folder),
        }
        print(json.dumps({"processes": options.processes, "load": os.getloadavg()[0]}), flush=True)
        with private_redis(folder), peers(folder):
            for name, measure in parts.items():
                if options.only in {None, name}:
                    measure()


if __name__ == "__main__":
    main()
