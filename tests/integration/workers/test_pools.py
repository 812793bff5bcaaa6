"""Celery's pools: which do the work, and which are refused."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cobalt_tasks.celery import app
from cobalt_tasks.core.catalog import SWEEP_TASK
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.records import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.waiting import wait_until
from tests.support.worker import ROOT, Worker

SECONDS = 60
THREADS = ("-P", "threads", "-c", "2")
SOLO_POOL = pytest.param(("-P", "solo"), marks=pytest.mark.long)
AUTOSCALED = pytest.param(("--autoscale", "3,1"), marks=pytest.mark.long)


@pytest.mark.parametrize("options", [THREADS, SOLO_POOL, AUTOSCALED])
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


class Provider(BaseHTTPRequestHandler):
    """Knows where every address is, in the way of ip-api."""

    def do_POST(self) -> None:
        """Answer a batch."""
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = [each if isinstance(each, str) else each["query"] for each in wanted]
        answer = json.dumps([{"status": "success", "query": each, "lat": 1, "lon": 2} for each in names]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.mark.parametrize("options", [THREADS, SOLO_POOL])
def test_other_pools_ask_providers_beside_other_work(
    options: tuple[str, ...], ledger: Ledger, start_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locations wait for a provider's quota and are asked for in calls of their own, woken by beat's rounds.

    Break: `_work_remotely` in workers/tasks.py.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("COBALT_GEO_PROVIDERS", "ip-api")
        monkeypatch.setenv("COBALT_IPAPI_URL", f"http://127.0.0.1:{server.server_address[1]}")
        start_worker(*options)
        ledger.ask(
            *(NewJob(kind="geolocation", address=f"8.8.{number}.8") for number in range(1, 121)),
            *(NewJob(kind="banner", address="127.0.0.1", protocol="tcp", port=number) for number in range(1, 21)),
        )

        def located() -> bool:
            app.send_task(SWEEP_TASK, queue=CONTROL_QUEUE, priority=0)
            return ledger.finals(ledger.rows())

        wait_until(located, "all jobs are final", seen=ledger.rows, every=1.0)
        server.shutdown()
    outcomes = {row["outcome"] for row in ledger.rows().values() if row["kind"] == "geolocation"}
    assert outcomes == {"located"}


def test_a_green_pool_is_refused_in_one_line(ledger: Ledger) -> None:
    """Pools of gevent and eventlet do not go together with asyncio: wrong usage, before any job is taken.

    Break: `_refuse_green_pools` in workers/context.py.
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


@pytest.mark.parametrize("command", ["worker", "beat", "flower"])
def test_an_open_state_folder_is_one_line(command: str, home: Path) -> None:
    """Where others can write into COBALT_HOME, Celery's commands do not start. Break: the except in celeryconfig.py."""
    home.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "cobalt_tasks", command],
        cwd=ROOT,
        env={**os.environ, "COBALT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"cobalt: COBALT_HOME: other users can write into {home}: ")
    assert done.stderr.count("\n") == 1
