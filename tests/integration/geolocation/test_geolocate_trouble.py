"""`cobalt geolocate` killed, interrupted, and without a provider or a database."""

import json
import shutil
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update

from cobalt_tasks import geolocation
from cobalt_tasks.cli import cobalt
from cobalt_tasks.cli._geolocate_all import NoLocationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import breakers, freshness, jobs, locations
from cobalt_tasks.geolocation import in_process as inprocess
from cobalt_tasks.geolocation import outcomes
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.geolocation.providers.base import ASK_SECONDS
from tests.support.geolocate import COMMAND, KNOWN, UNKNOWN, add_hosts, located, run
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow each other at once."""
    monkeypatch.setattr(outcomes, "_RETRY_SECONDS", (0.01, 0.02))
    monkeypatch.setitem(outcomes._PAUSES, "unreachable", (0.01, 0.02))


def hold_calls(ip_api: Any) -> threading.Event:
    """Let the provider answer no request until the event is set."""
    let_go = threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        let_go.wait(PATIENCE)
        handler.close_connection = True

    ip_api.misbehave = hold
    return let_go


def wait_for_calls(ip_api: Any, count: int) -> None:
    """Wait until the provider has been called."""
    wait_until(lambda: len(ip_api.calls) >= count, f"{count} calls")


def test_a_killed_command_is_begun_again(
    command_ledger: Database, ip_api: Any, command_environment: dict[str, str]
) -> None:
    """Killed with -9 in the middle of its calls, its jobs come back when its leases end, without any worker."""
    add_hosts(command_ledger, *UNKNOWN, *KNOWN)
    let_go = hold_calls(ip_api)
    killed = subprocess.Popen(
        [*COMMAND, "--async-batch", "--delay=0"], env=command_environment, stdout=subprocess.DEVNULL
    )
    wait_for_calls(ip_api, 2)
    killed.kill()
    killed.wait()
    let_go.set()
    ip_api.misbehave = None
    with command_ledger.writing() as connection:
        held = update(jobs).where(jobs.c.state == "running").values(lease=3.0)
        assert connection.execute(held).rowcount >= 200
    printed = json.loads(run("--delay=0", "--json").output)
    assert (printed["unfinished"], located(command_ledger)) == (0, {*UNKNOWN, *KNOWN})


def test_ctrl_c_ends_it_and_loses_nothing(
    command_ledger: Database, ip_api: Any, command_environment: dict[str, str]
) -> None:
    """It ends soon, without a traceback; what it had not finished is free for the next."""
    add_hosts(command_ledger, *UNKNOWN)
    let_go = hold_calls(ip_api)
    command = [*COMMAND, "--async-batch", "--delay=0"]
    with subprocess.Popen(command, env=command_environment, stderr=subprocess.PIPE, text=True) as process:
        wait_for_calls(ip_api, 2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        let_go.set()
        assert "Traceback" not in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130
    ip_api.misbehave = None
    with command_ledger.writing() as connection:
        assert connection.execute(select(func.count()).where(jobs.c.state == "running")).scalar() == 0
        connection.execute(update(jobs).values(not_before=0.0))
        connection.execute(breakers.delete())
    assert json.loads(run("--delay=0", "--json").output)["unfinished"] == 0
    assert located(command_ledger) == set(UNKNOWN)


def test_what_is_interrupted_is_given_back(command_ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between claim and answer leaves no job with a lease that another process would have to wait for."""
    add_hosts(command_ledger, *KNOWN)
    whole = Geolocator.local

    def interrupted(*_arguments: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Geolocator, "local", interrupted)
    assert CliRunner().invoke(cobalt, ["geolocate", "--delay=0"]).exit_code != 0
    with command_ledger.reading() as connection:
        assert set(connection.execute(select(jobs.c.state)).scalars()) == {"pending"}
    monkeypatch.setattr(Geolocator, "local", whole)
    run("--delay=0")
    assert located(command_ledger) == set(KNOWN)


def test_a_call_may_take_its_whole_time() -> None:
    """An answer in the last second still counts: the claim outlives the call. Break: _LEASE_SECONDS of inprocess."""
    assert inprocess._LEASE_SECONDS >= ASK_SECONDS + 5


@pytest.mark.usefixtures("impatient")
def test_without_any_database_every_mode_ends(
    command_ledger: Database, home: Path, ip_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither databases nor providers: jobs end as failed, with what to do about it, and nothing is fresh."""
    shutil.rmtree(home / "geodb")
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", "mmdb")
    add_hosts(command_ledger, *UNKNOWN[:3])
    assert json.loads(run("--delay=0", "--json").output)["outcomes"] == {"no provider": 3}
    assert (located(command_ledger), ip_api.calls) == (set(), [])
    with command_ledger.reading() as connection:
        assert connection.execute(select(func.count()).where(freshness.c.fresh_until > time.time())).scalar() == 0
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", "11.0.0.9"])
    assert "cobalt geodb update" in str(result.exception)


@pytest.mark.usefixtures("impatient")
def test_no_provider_at_all_is_no_crash(command_ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that names no provider: the address is not found, in one line."""
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", ",")
    assert isinstance(CliRunner().invoke(cobalt, ["geolocate", "--ip", "8.8.8.8"]).exception, NoLocationError)
    assert geolocation.get_ip_geolocation("8.8.8.8", timeout=1) is None


@pytest.mark.usefixtures("impatient")
def test_force_does_not_pass_off_an_old_answer_as_a_new_one(
    command_ledger: Database, ip_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the provider is away, --ip --force says so, though the ledger knows an older answer."""
    run("--ip", "11.0.0.9")
    with command_ledger.writing() as connection:
        connection.execute(update(locations).values(fetched_at=time.time() - 3600))
    monkeypatch.setenv("COBALT_IPAPI_URL", "http://127.0.0.1:1")
    assert "Exampleland" in run("--ip", "11.0.0.9").output
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", "11.0.0.9", "--force"])
    assert isinstance(result.exception, NoLocationError)
