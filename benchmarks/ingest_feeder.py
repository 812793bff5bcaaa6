"""How long a feeder's own write() calls take at 50,000 lines/s, into `cobalt ingest -` and into `cat >/dev/null`.

    python benchmarks/ingest_feeder.py [--seconds 10] [--rate 50000]

One write() for each line. Ours is measured on SQLite, on PostgreSQL, and on a PostgreSQL that is stopped (SIGSTOP) all the
time. Prints the 99.9th percentile of each as a ratio to that of `cat` in the same run; afterwards every line must be
stored.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

from servers import ledgers, servers

LINE = (
    b'{"type": "connection", "event": "new", "src_ip": "192.0.2.2", "dst_ip": "198.51.%d.%d", "dst_port": 443, '
    b'"metadata": {"protocol": "TCP", "state": "ESTAB", "process": "curl"}}\n'
)
TICK = 0.001


def feed(pipe: int, rate: int, seconds: float) -> list[float]:
    """Write lines evenly; return how long each write() took."""
    took = []
    number = 0
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        while number < (now - began) * rate:
            line = LINE % (100 + number // 256 % 4, number % 256)
            before = time.perf_counter()
            os.write(pipe, line)
            took.append(time.perf_counter() - before)
            number += 1
        time.sleep(TICK)
    return took


def into(
    command: list[str], rate: int, seconds: float, environment: dict[str, str], begin: float = 1.5
) -> tuple[list[float], str]:
    """Feed a program; return the times, and what it printed at the end."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    time.sleep(begin)
    took = feed(process.stdin.fileno(), rate, seconds)
    out, _ = process.communicate()
    return took, out.decode()


def percentile(took: list[float], part: float) -> float:
    """Return the time that this part of the writes did not exceed."""
    return sorted(took)[int(len(took) * part)]


def report(name: str, took: list[float], reference: list[float] | None, out: str = "") -> None:
    """Print one measurement."""
    figures = "  ".join(f"p{100 * part:g} {percentile(took, part) * 1e6:8.1f} µs" for part in (0.5, 0.99, 0.999))
    ratio = f"  ratio of p99.9 {percentile(took, 0.999) / percentile(reference, 0.999):.2f}" if reference else ""
    stored = f"  {out.split(': ', 1)[1].split(' accepted', 1)[0]} accepted of {len(took)}" if ": " in out else ""
    print(f"{name:28} {figures}{ratio}{stored}", flush=True)


def main() -> None:
    """Measure all, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=50_000)
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    wishes = parser.parse_args()
    cobalt = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "ingest", "-"]

    def measure(name: str, command: list[str], url: str = "") -> list[float]:
        with tempfile.TemporaryDirectory(prefix="cobalt-") as home:
            environment = {"COBALT_HOME": home, "COBALT_BROKER_URL": f"redis+socket://{home}/none"}
            if url:
                environment["COBALT_DATABASE_URL"] = url
            took, out = into(command, wishes.rate, wishes.seconds, environment)
        report(name, took, reference, out)
        return took

    reference: list[float] | None = None
    reference = measure("cat >/dev/null", ["sh", "-c", "cat >/dev/null"])
    with (
        servers(wishes.server, needed=True) as server,
        tempfile.TemporaryDirectory(prefix="cobalt-bench-") as folder,
    ):
        from cobalt_tasks.db import schema
        from cobalt_tasks.db.engine import Database

        measure("cobalt ingest, SQLite", cobalt)
        urls = ledgers("postgresql", server, folder, empty=True)
        for name, stopped in (("cobalt ingest, PostgreSQL", False), ("  stopped for the first half", True)):
            url = next(urls)
            database = Database(url)
            schema.upgrade(database)
            database.dispose()
            if stopped:
                stop_for(url, 1.5 + wishes.seconds / 2)
            measure(name, cobalt, url)
        urls.close()
    measure("cat >/dev/null, again", ["sh", "-c", "cat >/dev/null"])


def stop_for(url: str, seconds: float) -> None:
    """Stop the server of a database for some seconds, from a process of its own."""
    code = (
        "import os, signal, sys, time, psycopg\n"
        "connection = psycopg.connect(sys.argv[1])\n"
        "backend = connection.execute('SELECT pg_backend_pid()').fetchone()[0]\n"
        "import psutil\n"
        "server = psutil.Process(backend).parent()\n"
        "everyone = [server, *server.children()]\n"
        "[each.suspend() for each in everyone]\n"
        "print(flush=True)\n"
        "time.sleep(float(sys.argv[2]))\n"
        "[each.resume() for each in everyone]\n"
    )
    stopper = subprocess.Popen([sys.executable, "-c", code, url, str(seconds)], stdout=subprocess.PIPE)
    stopper.stdout.readline()


if __name__ == "__main__":
    main()
