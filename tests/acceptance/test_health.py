"""Health means that work gets done: what is wrong is said within half a minute, on a whole `cobalt up`."""

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cobalt_tasks.core.catalog import POOLS
from tests.acceptance.conftest import Cobalt
from tests.support import flood, waiting

SAID_WITHIN = 45
"""Half a minute, and what a busy machine takes on top."""

HOSTS, LINES = 3_000, 500

wait_until = partial(waiting.wait_until, every=0.5)
"""Each look is a request, which costs the program more than its own work here."""


@pytest.fixture
def flooded(make_cobalt: Callable[[], Cobalt]) -> Iterator[Cobalt]:
    """A state folder with jobs of global hosts and a local database that knows them; no packet leaves this machine."""
    cobalt = make_cobalt()
    with flood.resolver() as at:
        cobalt.environment |= flood.settings(cobalt.home, at)
        flood.install_geodb(cobalt.home)
        scan = flood.write_scan(cobalt.home / "scan.ndjson", HOSTS)
        capture = flood.write_capture(cobalt.home / "capture.jsonl", LINES, HOSTS)
        for arguments in (("masscan", str(scan)), ("capture", str(capture))):
            done = cobalt.run("ingest", *arguments)
            assert done.returncode == 0, done.stderr
        yield cobalt


def health(cobalt: Cobalt) -> tuple[int, dict[str, Any]]:
    """The answer of /api/health; 0 and nothing while the page does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{cobalt.port}/api/health", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {"reasons": []}


def says(cobalt: Cobalt, words: str) -> bool:
    """Tell whether health says something."""
    return any(words in reason for reason in health(cobalt)[1]["reasons"])


def query(cobalt: Cobalt, sql: str) -> list[Any]:
    """Rows of the ledger, as they are now."""
    connection = sqlite3.connect(cobalt.home / "cobalt.db", timeout=30, isolation_level=None)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@contextmanager
def running(cobalt: Cobalt) -> Iterator[None]:
    """Start it, wait until it is well, and stop it in the end."""
    process = cobalt.start()
    try:
        wait_until(lambda: health(cobalt)[0] == 200, "the page answers")
        cobalt.wait_for_workers()
        ended = "SELECT 1 FROM rounds WHERE name = 'sweep' AND ended_at > 0"
        wait_until(lambda: query(cobalt, ended), "a sweep ended well")
        yield
    finally:
        process.terminate()
        process.wait(90)


@pytest.mark.timeout(240)
def test_many_hosts_are_located_and_nothing_else_leaves(flooded: Cobalt) -> None:
    """Every geolocation job ends, no banner job is ever made out of scope, and health never complains meanwhile.

    Break: the pools in catalog.py, or the scope in ingest.
    """
    with running(flooded):
        complaints: list[str] = []
        unfinished = "SELECT 1 FROM jobs WHERE kind = 'geolocation' AND state IN ('pending', 'sent', 'running') LIMIT 1"

        def is_done() -> bool:
            complaints.extend(health(flooded)[1]["reasons"])
            return not query(flooded, unfinished)

        wait_until(is_done, "all are located")
        kinds = dict(query(flooded, "SELECT kind, count(*) FROM jobs WHERE kind <> 'domain' GROUP BY kind"))
        assert kinds == {"geolocation": HOSTS}
        assert query(flooded, "SELECT count(*) FROM locations WHERE country_code = 'US'") == [(HOSTS,)]
        assert [text for text in complaints if "due" in text or "sweep" in text] == []


@pytest.mark.timeout(240)
def test_a_sweep_that_raises_is_said(cobalt: Cobalt) -> None:
    """A table is missing: health, status and doctor name the sweep and its reason. Break: rounds.fail, or `_rounds`."""
    with running(cobalt):
        assert cobalt.run("doctor", "--sweep").returncode == 0
        query(cobalt, "ALTER TABLE leases RENAME TO lost")
        wait_until(lambda: says(cobalt, "the sweep failed"), "health says so")
        (reason,) = (text for text in health(cobalt)[1]["reasons"] if "the sweep failed" in text)
        assert "no such table" in reason
        assert "no such table" in cobalt.run("status").stdout.replace("\n", " ")
        doctor = cobalt.run("doctor", "--sweep")
        assert doctor.returncode == 1
        assert "the sweep failed" in doctor.stdout
        query(cobalt, "ALTER TABLE lost RENAME TO leases")
        wait_until(lambda: not says(cobalt, "the sweep failed"), "it is well again")


@pytest.mark.long
@pytest.mark.timeout(240)
def test_rules_that_cannot_be_read_are_said(cobalt: Cobalt) -> None:
    """Scores are part of the work: a rule file with a mistake is a reason, with the file's name."""
    with running(cobalt):
        (cobalt.home / "threat.toml").write_text("this is no TOML")
        wait_until(lambda: says(cobalt, "threat.toml"), "health says so")


@pytest.mark.long
@pytest.mark.timeout(240)
def test_nothing_that_is_finished_is_said(flooded: Cobalt) -> None:
    """All workers of jobs are stopped (SIGSTOP): 503 with the reason; `behind` is a number. Break: `_work`, `_missing_workers`."""
    with running(flooded):
        # A process that is stopped in a transaction would hold the ledger's lock until `cobalt up` kills it.
        unfinished = "SELECT 1 FROM jobs WHERE state IN ('pending', 'sent', 'running') LIMIT 1"
        wait_until(lambda: not query(flooded, unfinished), "the first jobs are done")
        stopped = [process for pool in ("network", "compute") for process in flooded.processes(f"{pool}@")]
        assert stopped
        for process in stopped:
            process.suspend()
        more = flood.write_scan(flooded.home / "more.ndjson", HOSTS + 500)
        assert flooded.run("ingest", "masscan", str(more)).returncode == 0
        wait_until(lambda: health(flooded)[0] == 503, "health says so")
        assert says(flooded, "no worker takes from") or says(flooded, "jobs have been due")
        assert all(isinstance(queue["minutes_behind"], float | int) for queue in flooded.status()["queues"].values())
        wait_until(lambda: says(flooded, "domain: jobs have been due"), "the stall itself is said")
        # `cobalt up` starts stalled pools again by itself.
        wait_until(lambda: health(flooded)[0] == 200, "work gets done again")


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_worker_that_restarts_in_a_loop_is_said(cobalt: Cobalt) -> None:
    """It cannot start any more: health says how often and why, and the terminal in two lines, without a flood.

    Break: Restarts.ended, or starts.loops.
    """
    with running(cobalt):
        # Python finds this before the program's own.
        (cobalt.home / "celeryconfig.py").write_text("raise RuntimeError('broken on purpose')\n")
        main_process = min(cobalt.processes("compute@"), key=lambda process: process.create_time())
        main_process.kill()
        wait_until(lambda: says(cobalt, "compute was started again"), "health says so")
        (reason,) = (text for text in health(cobalt)[1]["reasons"] if "compute was started again" in text)
        assert "ended with 1: RuntimeError: broken on purpose" in reason
        said = [line for line in cobalt.output.splitlines() if line.startswith("compute ")]
        assert any("does not stay up: ended with 1: RuntimeError: broken on purpose, see" in line for line in said)
        assert len(said) <= 4
        Path(cobalt.home / "celeryconfig.py").unlink()
        wait_until(lambda: len(cobalt.status()["workers"]) == len(POOLS), "it stays up again")
