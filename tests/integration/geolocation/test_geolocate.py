"""`cobalt geolocate` in its three modes, and the functions for other programs."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import func, insert, select, update

from cobalt_tasks import geolocation
from cobalt_tasks.cli import _geolocate_all, cobalt
from cobalt_tasks.cli._geolocate_all import NoLocationError
from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.db.tables import breakers, freshness, hosts, jobs, locations
from cobalt_tasks.geolocation import in_process as inprocess
from cobalt_tasks.geolocation import outcomes
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.geolocation.providers.base import ASK_SECONDS
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def ledger(home: Path, databases: Path, ip_api: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A ledger on SQLite in the home of the command, with local databases, and a provider that answers."""
    databases.rename(home / "geodb")
    monkeypatch.setenv("COBALT_IPAPI_URL", ip_api.url)
    database = open_ledger(settings.load())
    yield database
    database.dispose()


COMMAND = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "geolocate"]


@pytest.fixture
def environment(ledger: Database, ip_api: Any) -> dict[str, str]:
    """The environment of a command of its own."""
    return {**settings.environment(settings.load()), "COBALT_IPAPI_URL": ip_api.url}


def add_hosts(database: Database, *addresses: str) -> None:
    """Make hosts, as ingest does."""
    now = time.time()
    with database.writing() as connection:
        connection.execute(
            insert(hosts),
            [{"address": each, "first_seen": now, "last_seen": now, "discovered": False} for each in addresses],
        )


def run(*arguments: str) -> Result:
    """Run the command; it must end well."""
    result = CliRunner().invoke(cobalt, ["geolocate", *arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def located(database: Database) -> set[str]:
    """Return the addresses that have a location."""
    with database.reading() as connection:
        return set(connection.execute(select(locations.c.address)).scalars())


UNKNOWN = [f"11.0.{index // 256}.{index % 256}" for index in range(230)]
KNOWN = [f"8.8.8.{index}" for index in range(40)]
PRIVATE = ["192.168.1.1", "10.0.0.7", "224.0.0.251", "100.64.1.1"]


@pytest.mark.parametrize("mode", [["--delay=0"], ["--async-batch", "--delay=0"]])
@pytest.mark.parametrize("batch", ["7", "1000"])
def test_every_host_is_located_whatever_the_batch(ledger: Database, ip_api: Any, mode: list[str], batch: str) -> None:
    """No host is skipped because others have left the list meanwhile, and private ones are sent to nobody."""
    add_hosts(ledger, *UNKNOWN, *KNOWN, *PRIVATE)
    printed = json.loads(run(*mode, "--batch-size", batch, "--json").output)
    assert located(ledger) == {*UNKNOWN, *KNOWN}
    assert sorted(ip_api.asked) == sorted(UNKNOWN)
    assert [len(asked) for _, asked in ip_api.calls] == [100, 100, 30]
    assert printed["outcomes"] == {"located": 270}
    assert (printed["unfinished"], printed["coverage"]["located"]) == (0, 270)


def test_a_second_run_has_nothing_to_do_and_force_does_everything(ledger: Database, ip_api: Any) -> None:
    """What is fresh is left alone until --force."""
    add_hosts(ledger, *UNKNOWN[:5], *KNOWN[:5])
    run("--delay=0")
    assert "nothing to do" in run("--delay=0").output
    assert len(ip_api.asked) == 5
    assert "10 located" in run("--delay=0", "--force").output
    assert len(ip_api.asked) == 10


def test_what_is_older_than_asked_for_is_located_again(ledger: Database, ip_api: Any) -> None:
    """--max-age-days overrules the catalog's thirty days."""
    add_hosts(ledger, *UNKNOWN[:2])
    run("--delay=0")
    with ledger.writing() as connection:
        connection.execute(
            update(locations).where(locations.c.address == UNKNOWN[0]).values(fetched_at=time.time() - 8 * 86400),
        )
    assert "nothing to do" in run("--delay=0").output
    assert "1 located" in run("--delay=0", "--max-age-days=7").output
    assert sorted(ip_api.asked) == sorted([*UNKNOWN[:2], UNKNOWN[0]])


def test_a_newer_database_makes_its_locations_old(
    ledger: Database, home: Path, tmp_path: Path, write_database: Callable[..., Path], ip_api: Any
) -> None:
    """Hosts an older build located are looked up again; those a provider located are not."""
    add_hosts(ledger, *KNOWN[:3], *UNKNOWN[:2])
    run("--delay=0")
    with ledger.writing() as connection:
        connection.execute(
            update(locations)
            .where(locations.c.provider == "mmdb")
            .values(database_built=locations.c.database_built - 86400),
        )
    assert "3 located" in run("--delay=0").output
    assert len(ip_api.asked) == 2


def test_queue_jobs_makes_jobs_and_leaves_the_work_to_the_workers(ledger: Database, ip_api: Any) -> None:
    """Without Redis they wait in the ledger, at ordinary urgency for new hosts and after everything else for old ones."""
    add_hosts(ledger, *UNKNOWN[:3], *PRIVATE)
    run("--delay=0")
    with ledger.writing() as connection:
        connection.execute(update(locations).values(fetched_at=0.0))
        connection.execute(update(freshness).values(fresh_until=0.0))
    add_hosts(ledger, *UNKNOWN[3:5])
    result = run("--queue-jobs", "--json")
    assert json.loads(result.stdout) == {"hosts": 5, "jobs": 5, "sent": 0}
    assert "wait in the ledger" in run("--queue-jobs", "--force").stderr
    with ledger.reading() as connection:
        pending = select(jobs.c.level, func.count()).where(jobs.c.state == "pending").group_by(jobs.c.level)
        assert sorted(connection.execute(pending).all()) == [(3, 2), (7, 3)]
    assert len(ip_api.asked) == 3


def test_commands_and_workers_do_not_do_the_same_work_twice(
    ledger: Database, ip_api: Any, environment: dict[str, str]
) -> None:
    """Three commands at once, each on all hosts: every address is asked about once."""
    add_hosts(ledger, *UNKNOWN, *KNOWN)
    running = [
        subprocess.Popen([*COMMAND, "--async-batch", "--delay=0"], env=environment, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [process.wait(PATIENCE) for process in running] == [0, 0, 0]
    assert located(ledger) == {*UNKNOWN, *KNOWN}
    assert sorted(ip_api.asked) == sorted(UNKNOWN)


def test_one_address_is_answered_from_here_or_by_a_provider(ledger: Database, ip_api: Any) -> None:
    """--ip prints what a local database knows without asking anybody, and asks about the rest at once."""
    assert "Sampleton" in run("--ip", "8.8.8.8").output
    assert ip_api.asked == []
    printed = json.loads(run("--ip", "11.0.0.9", "--json").output)
    assert (printed["provider"], printed["country_code"], printed["asn"]) == ("ip-api", "EX", 64496)
    assert run("--ip", "11.0.0.9").exit_code == 0
    assert ip_api.asked == ["11.0.0.9"]
    assert located(ledger) == {"11.0.0.9"}
    assert "Sampleton" in run("--ip", "8.8.8.8", "--force").output
    assert located(ledger) == {"11.0.0.9", "8.8.8.8"}


def test_one_address_can_be_queued(ledger: Database) -> None:
    """--ip with --queue-jobs makes one job, before all others; a second one changes nothing."""
    assert "queued" in run("--queue-jobs", "--ip", "11.0.0.9").output
    assert "nothing to do" in run("--queue-jobs", "--ip", "11.0.0.9").output
    with ledger.reading() as connection:
        assert connection.execute(select(jobs.c.address, jobs.c.level)).all() == [("11.0.0.9", 0)]


@pytest.mark.parametrize("address", ["10.0.0.1", "224.0.0.1", "nonsense", "::1"])
def test_an_address_without_a_place_is_refused(ledger: Database, address: str) -> None:
    """One line, and wrong usage."""
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", address])
    assert isinstance(result.exception, ConfigurationError)


def test_nobody_to_ask_is_said(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is one line."""
    monkeypatch.setenv("COBALT_IPAPI_URL", "http://127.0.0.1:1")
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", "11.0.0.9"])
    assert isinstance(result.exception, NoLocationError)
    assert "no provider" in str(result.exception)
    assert "connection refused" in str(result.exception)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow each other at once."""
    monkeypatch.setattr(outcomes, "_RETRY_SECONDS", (0.01, 0.02))
    monkeypatch.setitem(outcomes._PAUSES, "unreachable", (0.01, 0.02))


def hold_calls(ip_api: Any) -> threading.Event:
    """Let the provider answer nobody until the event is set."""
    let_go = threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        let_go.wait(PATIENCE)
        handler.close_connection = True

    ip_api.misbehave = hold
    return let_go


def wait_for_calls(ip_api: Any, count: int) -> None:
    """Wait until the provider has been called."""
    wait_until(lambda: len(ip_api.calls) >= count, f"{count} calls")


def test_a_killed_command_is_begun_again(ledger: Database, ip_api: Any, environment: dict[str, str]) -> None:
    """Killed with -9 in the middle of its calls, its jobs come back when its leases end, without any worker."""
    add_hosts(ledger, *UNKNOWN, *KNOWN)
    let_go = hold_calls(ip_api)
    killed = subprocess.Popen([*COMMAND, "--async-batch", "--delay=0"], env=environment, stdout=subprocess.DEVNULL)
    wait_for_calls(ip_api, 2)
    killed.kill()
    killed.wait()
    let_go.set()
    ip_api.misbehave = None
    with ledger.writing() as connection:
        held = update(jobs).where(jobs.c.state == "running").values(lease=3.0)
        assert connection.execute(held).rowcount >= 200
    printed = json.loads(run("--delay=0", "--json").output)
    assert (printed["unfinished"], located(ledger)) == (0, {*UNKNOWN, *KNOWN})


def test_ctrl_c_ends_it_and_loses_nothing(ledger: Database, ip_api: Any, environment: dict[str, str]) -> None:
    """It ends soon, without a traceback; what it had not finished is free for the next."""
    add_hosts(ledger, *UNKNOWN)
    let_go = hold_calls(ip_api)
    command = [*COMMAND, "--async-batch", "--delay=0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_for_calls(ip_api, 2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        let_go.set()
        assert "Traceback" not in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130
    ip_api.misbehave = None
    with ledger.writing() as connection:
        assert connection.execute(select(func.count()).where(jobs.c.state == "running")).scalar() == 0
        connection.execute(update(jobs).values(not_before=0.0))
        connection.execute(breakers.delete())
    assert json.loads(run("--delay=0", "--json").output)["unfinished"] == 0
    assert located(ledger) == set(UNKNOWN)


@pytest.mark.parametrize(("mode", "together"), [(["--async-batch"], 2), ([], 1)], ids=str)
def test_several_calls_are_made_at_a_time_only_by_async_batch(
    ledger: Database, ip_api: Any, mode: list[str], together: int
) -> None:
    """With it each full batch has its call on the way at once; without it one follows the other."""
    add_hosts(ledger, *UNKNOWN[:200])
    ip_api.delay = 0.7
    run(*mode, "--delay=0")
    assert (ip_api.together, len(ip_api.calls)) == (together, 2)


@pytest.mark.parametrize("mode", [["--queue-jobs"], ["--async-batch"], []], ids=str)
def test_the_batch_size_holds_in_every_mode(
    ledger: Database, ip_api: Any, mode: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts are taken by as many as the user says, also where only jobs are made."""
    add_hosts(ledger, *KNOWN)
    taken: list[int] = []
    candidates = inprocess.locations.candidates

    def seen(*arguments: Any) -> Any:
        page = candidates(*arguments)
        taken.append(len(page))
        return page

    monkeypatch.setattr(inprocess.locations, "candidates", seen)
    run(*mode, "--delay=0", "--batch-size=15")
    assert taken == [15, 15, 10, 0]


def test_what_is_interrupted_is_given_back(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between claim and answer leaves no job with a lease that somebody would have to wait for."""
    add_hosts(ledger, *KNOWN)
    whole = Geolocator.local

    def interrupted(*_arguments: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Geolocator, "local", interrupted)
    assert CliRunner().invoke(cobalt, ["geolocate", "--delay=0"]).exit_code != 0
    with ledger.reading() as connection:
        assert set(connection.execute(select(jobs.c.state)).scalars()) == {"pending"}
    monkeypatch.setattr(Geolocator, "local", whole)
    run("--delay=0")
    assert located(ledger) == set(KNOWN)


def test_a_call_may_take_its_whole_time() -> None:
    """An answer in the last second still counts: the claim outlives the call. Break: _LEASE_SECONDS of inprocess."""
    assert inprocess._LEASE_SECONDS >= ASK_SECONDS + 5


@pytest.mark.usefixtures("impatient")
def test_without_any_database_every_mode_ends(
    ledger: Database, home: Path, ip_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither databases nor providers: jobs end as failed, with what to do about it, and nothing is fresh."""
    shutil.rmtree(home / "geodb")
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", "mmdb")
    add_hosts(ledger, *UNKNOWN[:3])
    assert json.loads(run("--delay=0", "--json").output)["outcomes"] == {"no provider": 3}
    assert (located(ledger), ip_api.calls) == (set(), [])
    with ledger.reading() as connection:
        assert connection.execute(select(func.count()).where(freshness.c.fresh_until > time.time())).scalar() == 0
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", "11.0.0.9"])
    assert "cobalt geodb update" in str(result.exception)


@pytest.mark.usefixtures("impatient")
def test_no_provider_at_all_is_no_crash(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that names nobody: the address is not found, in one line."""
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", ",")
    assert isinstance(CliRunner().invoke(cobalt, ["geolocate", "--ip", "8.8.8.8"]).exception, NoLocationError)
    assert geolocation.get_ip_geolocation("8.8.8.8", timeout=1) is None


@pytest.mark.usefixtures("impatient")
def test_force_does_not_pass_off_an_old_answer_as_a_new_one(
    ledger: Database, ip_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the provider is away, --ip --force says so, though the ledger knows an older answer."""
    run("--ip", "11.0.0.9")
    with ledger.writing() as connection:
        connection.execute(update(locations).values(fetched_at=time.time() - 3600))
    monkeypatch.setenv("COBALT_IPAPI_URL", "http://127.0.0.1:1")
    assert "Exampleland" in run("--ip", "11.0.0.9").output
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", "11.0.0.9", "--force"])
    assert isinstance(result.exception, NoLocationError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--batch-size=0"],
        ["--batch-size=x"],
        ["--delay=-1"],
        ["--delay=nan"],
        ["--max-age-days=-1"],
        ["--max-age-days=nan"],
        ["--ip=host.example"],
        ["--ip="],
        ["--queue-jobs", "--async-batch"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_clear_line(environment: dict[str, str], arguments: list[str]) -> None:
    """Exit code 2, and nothing is done."""
    ended = subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_the_bar_leaves_out_whom_nobody_is_asked_about(ledger: Database) -> None:
    """Rate, successes and time are those of public hosts; the bar comes to its end."""
    add_hosts(ledger, *KNOWN[:3], *PRIVATE)
    shown = Console(file=StringIO(), force_terminal=True)
    with Progress(console=shown) as progress:
        bar = _geolocate_all._Bar(progress, total=7)
        bar.leave_out(4)
        bar.report(2, 1)
        (task,) = progress.tasks
        assert (task.total, task.completed, task.fields["done"], task.fields["failed"]) == (3, 3, 2, 1)
        assert task.finished


def test_the_functions_for_other_programs(ledger: Database, ip_api: Any) -> None:
    """One and many, at once and awaited: the same answers, by the spelling they were asked in."""
    one = geolocation.get_ip_geolocation("8.8.8.8")
    assert one is not None
    assert one.city == "Sampleton"
    many = geolocation.get_ip_geolocations_batch(["8.8.8.8", "::ffff:11.0.0.1", "11.0.0.2", "10.0.0.1", "nonsense"])
    assert {address: location and location.provider for address, location in many.items()} == {
        "8.8.8.8": "mmdb",
        "::ffff:11.0.0.1": "ip-api",
        "11.0.0.2": "ip-api",
        "10.0.0.1": None,
        "nonsense": None,
    }

    async def awaited() -> tuple[object, object]:
        return await asyncio.gather(
            geolocation.get_ip_geolocation_async("11.0.0.1"),
            geolocation.get_ip_geolocations_batch_async(["11.0.0.2"], batch_size=20),
        )

    first, second = asyncio.run(awaited())
    assert first == many["::ffff:11.0.0.1"]
    assert second == {"11.0.0.2": many["11.0.0.2"]}
    assert len(ip_api.asked) == 2


def test_a_local_look_up_imports_nothing_slow(ledger: Database) -> None:
    """The command answers from a local database without SQLAlchemy, Celery, requests and rich."""
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom cobalt_tasks.cli import cobalt\n"
        "print(CliRunner().invoke(cobalt, ['geolocate', '--ip', '8.8.8.8']).output)\n"
        "print(sorted({'sqlalchemy', 'celery', 'requests', 'rich', 'urllib3'} & set(sys.modules)))"
    )
    environment = settings.environment(settings.load())
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "Sampleton" in output.stdout
    assert output.stdout.splitlines()[-1] == "[]"
