"""Celery's pools: which do the work, and which are refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cobalt_tasks.contracts import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.worker import ROOT, Worker

SECONDS = 60


@pytest.mark.parametrize("options", [("-P", "threads", "-c", "2"), ("-P", "solo"), ("--autoscale", "3,1")])
def test_other_pools_do_the_work(
    options: tuple[str, ...], ledger: Ledger, start_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every job is done, and the worker ends when it is asked to."""
    monkeypatch.setenv("COBALT_RESOLVERS", "127.0.0.1:1")
    monkeypatch.setenv("COBALT_PROBE_TIMEOUT", "1")
    worker = start_worker(*options)
    ledger.ask(*(NewJob(kind="domain", address=f"127.40.0.{number}") for number in range(1, 21)))
    ledger.wait(ledger.finals, SECONDS, sweeping=True)
    assert {row["state"] for row in ledger.rows().values()} <= {"done", "failed"}
    assert "fault" not in {row["outcome"] for row in ledger.rows().values()}
    worker.terminate(SECONDS)
    assert worker.process.returncode == 0


def test_a_green_pool_is_refused_in_one_line(ledger: Ledger) -> None:
    """Pools of gevent and eventlet do not go together with asyncio: wrong usage, before any job is taken.

    Break: `_refuse_green_pools` in workers/lifecycle.py.
    """
    command = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "worker", "-Q", "domain", "-P", "custom"]
    environment = {**os.environ, "CELERY_CUSTOM_WORKER_POOL": "tests.support.green:GreenPool"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "cobalt: this pool (-P) cannot run asyncio: use prefork, threads or solo"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["worker", "beat"])
def test_a_bad_setting_is_one_line(command: str, home: Path) -> None:
    """Celery's own commands print neither a traceback nor the URL. Break: celeryconfig.py."""
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "cobalt_tasks", command],
        cwd=ROOT,
        env={**os.environ, "COBALT_BROKER_URL": "redis://:SEC/RET@host/0"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("cobalt: COBALT_BROKER_URL: ")
    assert done.stderr.count("\n") == 1
    assert "SEC" not in done.stdout + done.stderr
