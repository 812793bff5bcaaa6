"""How long it takes from a discovery on standard input of `cobalt ingest` to its banner in the ledger.

    python benchmarks/latency.py [--samples 100] [--flood 1000000] [--database sqlite|postgresql] [--server URL]

Everything is real and on this machine: ingest at the end of a pipe, Redis, a worker of all queues with two processes, as
`cobalt up` starts it, and servers on loopback addresses that greet at once. First idle, one discovery after the other;
then with a flood of geolocation jobs waiting underneath, which the same worker works on meanwhile. The goals are those of
the project: idle p50 < 150 ms and p99 < 500 ms, under the flood p99 < 2.5 s.
"""

import argparse
import os
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from servers import servers
from sqlalchemy import select
from stack import address, empty, our_redis, private_redis, wait_until

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import QUEUES
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import banners
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.broker import Broker
from cobalt_tasks.jobs.dispatcher import Dispatcher

SAMPLES = 100
FLOOD = 1_000_000
SPACING = 0.1
LOOK = 0.002
LONGEST = 30.0
GREETING = b"SSH-2.0-OpenSSH_9.6\r\n"
PORT = 22022
INSERTED_AT_ONCE = 10_000
ENDED = 10.0


class Servers(socketserver.ThreadingTCPServer):
    """A server of its own for each address; what an earlier run left behind does not matter."""

    allow_reuse_address = True


class Greeter(socketserver.BaseRequestHandler):
    """Greets and hangs up."""

    def handle(self) -> None:
        """Speak first."""
        self.request.sendall(GREETING)


class NoName(socketserver.BaseRequestHandler):
    """A DNS server that knows no name: the question back, as an answer with code 3."""

    def handle(self) -> None:
        """Answer one datagram."""
        question, own = self.request
        own.sendto(question[:2] + b"\x81\x83" + question[4:], self.client_address)


@contextmanager
def lab(count: int) -> Iterator[list[str]]:
    """Yield the addresses of so many servers that greet; a DNS server is named in the environment."""
    hosts = [f"127.9.{number >> 8}.{number & 255}" for number in range(1, count + 1)]
    dns = socketserver.ThreadingUDPServer(("127.0.0.1", 0), NoName)
    everything = [dns, *(Servers((host, PORT), Greeter) for host in hosts)]
    for server in everything:
        threading.Thread(target=server.serve_forever, args=(5,), daemon=True).start()
    os.environ["COBALT_RESOLVERS"] = f"127.0.0.1:{dns.server_address[1]}"
    try:
        yield hosts
    finally:
        for server in everything:
            server.server_close()


@contextmanager
def running() -> Iterator[subprocess.Popen[bytes]]:
    """A worker of all queues, and `cobalt ingest` that reads what is written to its standard input."""
    celery = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "worker", "-Q", ",".join(QUEUES), "-c", "2"]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    worker = subprocess.Popen(celery, env=quiet, stdout=subprocess.DEVNULL)
    ingest = subprocess.Popen(
        [sys.executable, "-m", "cobalt_tasks", "ingest", "masscan", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        with closing(Broker(environment.load())) as broker:
            wait_until(broker.workers)
        yield ingest
    finally:
        ingest.stdin.close()
        ingest.wait(ENDED)
        worker.terminate()
        try:
            worker.wait(ENDED)
        except subprocess.TimeoutExpired:
            worker.kill()


def sample(database: Database, ingest: subprocess.Popen[bytes], host: str) -> float:
    """Report one open port; return the seconds until its banner can be read from the ledger."""
    line = (
        f'{{"ip":"{host}","timestamp":"{time.time():.0f}","port":{PORT},"proto":"tcp",'
        f'"rec_type":"status","data":{{"status":"open","reason":"syn-ack","ttl":64}}}}\n'
    )
    began = time.perf_counter()
    ingest.stdin.write(line.encode())
    ingest.stdin.flush()
    query = select(banners.c.digest).where(banners.c.address == host)
    while time.perf_counter() - began < LONGEST:
        with database.reading() as connection:
            if connection.execute(query).first():
                break
        time.sleep(LOOK)
    return time.perf_counter() - began


def flood(database: Database, count: int) -> None:
    """Make geolocation jobs that end as soon as they are looked at: their addresses are private."""
    for first in range(0, count, INSERTED_AT_ONCE):
        some = range(first, min(count, first + INSERTED_AT_ONCE))
        database.write(creation.create, [NewJob(kind="geolocation", address=address(number)) for number in some])
    Dispatcher(database, environment.load()).dispatch(["geolocation"])


def measure(kind: str, wishes: argparse.Namespace, server: str | None, folder: str, hosts: list[str]) -> None:
    """Measure one database, and print both figures."""
    with empty(kind, server, folder) as database:
        our_redis().close()
        with running() as ingest:
            # What is first connects, imports and recognises the format.
            for host in hosts[:5]:
                sample(database, ingest, host)
            idle = []
            for host in hosts[5 : 5 + wishes.samples]:
                time.sleep(SPACING)
                idle.append(sample(database, ingest, host))
            report(f"{kind:11} idle", idle)
            if wishes.flood:
                flood(database, wishes.flood)
                under = [sample(database, ingest, host) for host in hosts[5 + wishes.samples :]]
                report(f"{kind:11} above {wishes.flood:,} geolocation jobs", under)


def report(what: str, seconds: list[float]) -> None:
    """Print the quantiles."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    print(
        f"{what}: p50 {cuts[49] * 1000:.0f} ms, p90 {cuts[89] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms "
        f"({len(seconds)} discoveries)",
        flush=True,
    )


def main() -> None:
    """Measure every database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--flood", type=int, default=FLOOD, help="geolocation jobs underneath; 0 leaves that part out")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    wishes = parser.parse_args()
    kinds = wishes.database or ["sqlite", "postgresql"]
    with (
        tempfile.TemporaryDirectory(prefix="cobalt-") as folder,
        private_redis(folder),
        servers(wishes.server, needed="postgresql" in kinds) as server,
        lab(5 + 2 * wishes.samples) as hosts,
    ):
        os.environ |= {
            "COBALT_HOME": folder,
            "COBALT_BROKER_URL": f"redis+socket://{folder}/redis.sock",
            "COBALT_GEO_PROVIDERS": "mmdb",
        }
        for kind in kinds:
            measure(kind, wishes, server, folder, hosts)


if __name__ == "__main__":
    main()
