"""What everything costs in a large ledger: each periodic statement, each request to the page, each command.

    python benchmarks/scale.py [--database sqlite|postgresql] [--share 1.0] [--server URL] [--plans]

Fills a ledger (1,000,000 hosts and ports, 5,000,000 connections, 2,000,000 jobs at `--share 1`), then runs the program's own
code: rounds of the sweep and of upkeep, every route of the page that the application has, every command that reads. All
statements that reach the database are recorded with their time and plan; nothing is listed here by hand, so that what is
added to the program is measured too. Prints what is over its limit, and exits with 1 then.

Limits: a statement of a round 200 ms; a request to the page 300 ms; `cobalt status` 1 s, without the wait for workers;
`score --recompute` 10,000 hosts a second. The first of several runs, which finds cold caches, does not count.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests as web
from recorder import Recorder, Step
from scale_data import Sizes, fill
from servers import servers
from sqlalchemy import select
from stack import empty, private_redis

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.timeouts import SWEEP_SECONDS
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.db.tables import hosts, observations
from cobalt_tasks.threat import unscored

FULL = Sizes(hosts=1_000_000, ports=1_000_000, connections=5_000_000, jobs=2_000_000)
ROUND_MS, PAGE_MS, STATUS_MS, COMMAND_MS = 200.0, 300.0, 1000.0, 3000.0
SCORED_PER_SECOND = 10_000
ROUNDS = 4
RUNS = 3

QUERIES = {
    "/api/hosts": [
        *("", "?country=ZZ", "?country=US", "?country=MT", "?port=22", "?port=54321", "?service=ssh", "?service=none"),
        *("?country=ZZ&port=443", "?country=MT&service=ssh", "?order=score", "?order=score&country=ZZ", "?limit=500"),
        *("?order=score&country=NL&port=443", "?after={seen}~{host}", "?after={seen}~{host}&country=NL"),
    ],
    "/api/connections": ["", "?seconds=60", "?seconds=86400", "?before=1000", "?before={middle}&seconds=86400"],
    "/api/jobs": [
        *(
            "",
            "?state=dead",
            "?state=cancelled",
            "?kind=banner",
            "?kind=banner&state=failed",
            "?before=1000&state=dead",
        ),
        "?address={host}",
    ],
}
"""The parameters that routes are asked with; a route that is not named here is asked without any."""

COMMANDS = {
    "status": [["status"], ["status", "--json"]],
    "hosts": [["hosts"], ["hosts", "--country", "ZZ"], ["hosts", "{host}"], ["hosts", "--order", "score"]],
    "jobs": [["jobs", "list"], ["jobs", "list", "--state", "dead"], ["jobs", "show", "1000"]],
    "sources": [["sources", "list"]],
    "rejects": [["rejects", "list"], ["rejects", "list", "--source", "source 95"]],
    "score": [["score"], ["score", "--explain", "{host}"]],
    "doctor": [["doctor"]],
}
"""The commands that read, by group."""


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--server", help="a PostgreSQL to make databases on; without it a private one is started")
    parser.add_argument("--plans", action="store_true", help="print the plan of every statement, not only of slow ones")
    parser.add_argument(
        "--no-recompute", action="store_true", help="leave out `score --recompute`, which takes longest"
    )
    wishes = parser.parse_args()
    kinds = wishes.database or ["sqlite", "postgresql"]
    over: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="cobalt-", dir=os.environ.get("TMPDIR")) as folder,
        private_redis(folder),
        servers(wishes.server, needed="postgresql" in kinds) as server,
    ):
        os.environ |= {
            "COBALT_HOME": folder,
            "COBALT_BROKER_URL": f"redis+socket://{folder}/redis.sock",
            "COBALT_SCOPE": "127.0.0.0/8",
            "COBALT_GEO_PROVIDERS": "mmdb",
        }
        for kind in kinds:
            with empty(kind, server, folder) as database:
                over += [f"{kind}: {each}" for each in measure(database, wishes)]
    print(f"load of this machine at the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    for each in over:
        print(f"OVER  {each}")
    print("nothing is over its limit" if not over else f"{len(over)} are over their limits")
    return 1 if over else 0


def measure(database: Database, wishes: argparse.Namespace) -> list[str]:
    """Measure one database; return what is over its limit."""
    sizes = Sizes(*(max(1000, int(rows * wishes.share)) for rows in FULL))
    began = time.perf_counter()
    rows = fill(database, sizes, time.time())
    print(
        f"\n{database.engine.dialect.name}: {sum(rows.values()):,} rows in {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    names = known_names(database)
    over = []
    with Recorder() as recorder:
        for work in (rounds, requests, commands):
            for step, limit in work(recorder, database, names):
                over += report(step, limit, each_statement=work is rounds, plans=wishes.plans)
    over += scoring(database, recompute=not wishes.no_recompute)
    return over


def known_names(database: Database) -> dict[str, str]:
    """Return what stands for {…} in queries and commands: a host, when it was seen, an id in the middle."""
    with database.reading() as connection:
        middle = select(observations.c.id).order_by(observations.c.id).offset(1000).limit(1)
        host = connection.execute(select(hosts.c.address, hosts.c.last_seen).order_by(hosts.c.last_seen).limit(1)).one()
        return {"host": host[0], "seen": repr(host[1]), "middle": str(connection.execute(middle).scalar())}


def rounds(recorder: Recorder, _database: Database, _names: dict[str, str]) -> Iterator[tuple[Step, float]]:
    """Rounds of all that is done periodically, as the control task does it."""
    from workers import control

    for _ in range(ROUNDS):
        with recorder.step("a round of the sweep and of upkeep") as step:
            control.control.run()
        yield step, ROUND_MS
        # The next one is due then.
        time.sleep(SWEEP_SECONDS)


def requests(recorder: Recorder, _database: Database, names: dict[str, str]) -> Iterator[tuple[Step, float]]:
    """Every route of the page that answers GET, with several parameters."""
    from cobalt_tasks.views.dashboard.app import create_app

    app = create_app(environment.load())
    with serving(app) as page:
        for route in app.routes:
            path = getattr(route, "path", "")
            # A stream has no end, and an export has one of its own: benchmarks/export.py.
            if not path.startswith(("/api/", "/metrics")) or path in {"/api/stream", "/api/export"}:
                continue
            for query in QUERIES.get(path, [""]):
                url = path.replace("{ip}", names["host"]).replace("{part}", "jobs") + query.format(**names)
                for _ in range(RUNS):
                    with recorder.step(f"GET {url}") as step:
                        answer = web.get(page + url, timeout=120)
                if answer.status_code not in {200, 503}:
                    step.note = f"answered {answer.status_code}: {answer.text[:100]}"
                yield step, PAGE_MS
        yield from live(recorder, app)


def live(recorder: Recorder, app: Any) -> Iterator[tuple[Step, float]]:
    """What the page gets in the background, each by itself: its answers above may come from a cache."""
    found = app.state.live
    for name, kept in sorted(vars(found).items()):
        get = getattr(kept, "_get", None)
        if get is None or name == "_beats":
            continue
        for _ in range(RUNS):
            with recorder.step(f"page, behind its cache: {name.strip('_')}") as step:
                get()
        yield step, PAGE_MS


def commands(recorder: Recorder, _database: Database, names: dict[str, str]) -> Iterator[tuple[Step, float]]:
    """Commands that read, each in a process of its own for the time, and in this one for its statements."""
    from click.testing import CliRunner

    from cobalt_tasks.cli import cobalt

    for group in COMMANDS.values():
        for words in group:
            arguments = [word.format(**names) for word in words]
            for _ in range(RUNS):
                with recorder.step("cobalt " + " ".join(words)) as step:
                    CliRunner().invoke(cobalt, arguments)
            began = time.perf_counter()
            done = subprocess.run([sys.executable, "-m", "cobalt_tasks", *arguments], capture_output=True, check=False)
            step.note = f"{time.perf_counter() - began:.2f} s as a process, exit code {done.returncode}"
            yield step, STATUS_MS if words[0] == "status" else COMMAND_MS
    for table in ("hosts", "ports", "connections", "jobs", "certificates", "hostnames"):
        with recorder.step(f"cobalt export --table {table}, the first 2,000 rows") as step:
            first_rows(table)
        yield step, COMMAND_MS


def first_rows(table: str) -> None:
    """Read the first rows of an export."""
    from cobalt_tasks.hosts.exports import stream

    database = open_ledger(environment.load())
    rows = iter(stream(database, table).rows)
    for _ in range(2000):
        next(rows, None)
    database.dispose()


def scoring(database: Database, *, recompute: bool) -> list[str]:
    """Measure how fast scoring follows, and how fast it computes everything again."""
    from cobalt_tasks.threat import rules as threat
    from cobalt_tasks.threat import scoring as ours

    rules = threat.load(environment.load().home)
    with database.reading() as connection:
        before = unscored.lag(connection)
    began = time.perf_counter()
    for _ in range(3):
        ours.keep_up(database, rules)
    seconds = time.perf_counter() - began
    with database.reading() as connection:
        after = unscored.lag(connection)
    rate = (before.observations - after.observations) / seconds
    print(f"scoring follows: {rate:,.0f} connections/s among old ones; lag {after.observations:,}", flush=True)
    if not recompute:
        return []
    count = 0

    def add(hosts_scored: int) -> None:
        nonlocal count
        count += hosts_scored

    began = time.perf_counter()
    changes = sum(1 for _ in ours.recompute(database, rules, add))
    seconds = time.perf_counter() - began
    print(
        f"score --recompute: {count:,} hosts in {seconds:.0f} s, {count / seconds:,.0f}/s; {changes:,} changed",
        flush=True,
    )
    return [] if count / seconds >= SCORED_PER_SECOND else [f"score --recompute: {count / seconds:,.0f} hosts/s"]


def report(step: Step, limit: float, *, each_statement: bool, plans: bool) -> list[str]:
    """Print a step and its slow or walking statements; return what is over the limit."""
    time_ms = step.slowest_ms if each_statement else step.milliseconds
    mark = "OVER" if time_ms > limit else "    "
    print(
        f"{mark} {step.milliseconds:8.1f} ms, {len(step.statements):3} statements, slowest {step.slowest_ms:7.1f} ms  {step.name}  {step.note}"
    )
    for each in step.statements:
        if plans or each.milliseconds > limit / 4 or each.walks:
            print(f"       {each.milliseconds:8.1f} ms  {'WALKS ' + each.walks if each.walks else ''}")
            print(f"              {' '.join(each.sql.split())[:400]}")
            for line in each.plan:
                print(f"                | {line}")
    sys.stdout.flush()
    return [f"{step.name}: {time_ms:.0f} ms, {limit:.0f} ms may pass"] if time_ms > limit else []


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve the application on a free port of this machine, from a thread."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


if __name__ == "__main__":
    sys.exit(main())
