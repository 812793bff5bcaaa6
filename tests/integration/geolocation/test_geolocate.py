"""`cobalt geolocate` in its three modes, and the functions for other programs."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import func, select, update

from cobalt_tasks import geolocation
from cobalt_tasks.cli import _geolocate_all, cobalt
from cobalt_tasks.cli._geolocate_all import NoLocationError
from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import freshness, jobs, locations
from cobalt_tasks.geolocation import in_process as inprocess
from tests.support.geolocate import COMMAND, KNOWN, PRIVATE, UNKNOWN, add_hosts, located, run
from tests.support.waiting import PATIENCE


@pytest.mark.parametrize("mode", [["--delay=0"], ["--async-batch", "--delay=0"]])
@pytest.mark.parametrize("batch", ["7", "1000"])
def test_every_host_is_located_whatever_the_batch(
    command_ledger: Database, ip_api: Any, mode: list[str], batch: str
) -> None:
    """No host is skipped because others have left the list meanwhile, and private ones are sent to nobody."""
    add_hosts(command_ledger, *UNKNOWN, *KNOWN, *PRIVATE)
    began = time.monotonic()
    printed = json.loads(run(*mode, "--batch-size", batch, "--json").output)
    assert located(command_ledger) == {*UNKNOWN, *KNOWN}
    assert sorted(ip_api.asked) == sorted(UNKNOWN)
    # No host waits longer than two seconds for a full call; a busy machine may need more to read all of them.
    took = time.monotonic() - began
    assert [len(asked) for _, asked in ip_api.calls] == [100, 100, 30] or took > 2
    assert printed["outcomes"] == {"located": 270}
    assert (printed["unfinished"], printed["coverage"]["located"]) == (0, 270)


def test_a_second_run_has_nothing_to_do_and_force_does_everything(command_ledger: Database, ip_api: Any) -> None:
    """What is fresh is left alone until --force."""
    add_hosts(command_ledger, *UNKNOWN[:5], *KNOWN[:5])
    run("--delay=0")
    assert "nothing to do" in run("--delay=0").output
    assert len(ip_api.asked) == 5
    assert "10 located" in run("--delay=0", "--force").output
    assert len(ip_api.asked) == 10


def test_what_is_older_than_asked_for_is_located_again(command_ledger: Database, ip_api: Any) -> None:
    """--max-age-days overrules the catalog's thirty days."""
    add_hosts(command_ledger, *UNKNOWN[:2])
    run("--delay=0")
    with command_ledger.writing() as connection:
        connection.execute(
            update(locations).where(locations.c.address == UNKNOWN[0]).values(fetched_at=time.time() - 8 * 86400),
        )
    assert "nothing to do" in run("--delay=0").output
    assert "1 located" in run("--delay=0", "--max-age-days=7").output
    assert sorted(ip_api.asked) == sorted([*UNKNOWN[:2], UNKNOWN[0]])


def test_a_newer_database_makes_its_locations_old(
    command_ledger: Database, home: Path, tmp_path: Path, write_database: Callable[..., Path], ip_api: Any
) -> None:
    """Hosts an older build located are looked up again; those a provider located are not."""
    add_hosts(command_ledger, *KNOWN[:3], *UNKNOWN[:2])
    run("--delay=0")
    with command_ledger.writing() as connection:
        connection.execute(
            update(locations)
            .where(locations.c.provider == "mmdb")
            .values(database_built=locations.c.database_built - 86400),
        )
    assert "3 located" in run("--delay=0").output
    assert len(ip_api.asked) == 2


def test_queue_jobs_makes_jobs_and_leaves_the_work_to_the_workers(command_ledger: Database, ip_api: Any) -> None:
    """Without Redis they wait in the ledger, at ordinary urgency for new hosts and after everything else for old ones."""
    add_hosts(command_ledger, *UNKNOWN[:3], *PRIVATE)
    run("--delay=0")
    with command_ledger.writing() as connection:
        connection.execute(update(locations).values(fetched_at=0.0))
        connection.execute(update(freshness).values(fresh_until=0.0))
    add_hosts(command_ledger, *UNKNOWN[3:5])
    result = run("--queue-jobs", "--json")
    assert json.loads(result.stdout) == {"hosts": 5, "jobs": 5, "sent": 0}
    assert "wait in the ledger" in run("--queue-jobs", "--force").stderr
    with command_ledger.reading() as connection:
        pending = select(jobs.c.level, func.count()).where(jobs.c.state == "pending").group_by(jobs.c.level)
        assert sorted(connection.execute(pending).all()) == [(3, 2), (7, 3)]
    assert len(ip_api.asked) == 3


def test_commands_and_workers_do_not_do_the_same_work_twice(
    command_ledger: Database, ip_api: Any, command_environment: dict[str, str]
) -> None:
    """Three commands at once, each on all hosts: every address is asked about once."""
    add_hosts(command_ledger, *UNKNOWN, *KNOWN)
    running = [
        subprocess.Popen([*COMMAND, "--async-batch", "--delay=0"], env=command_environment, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [process.wait(PATIENCE) for process in running] == [0, 0, 0]
    assert located(command_ledger) == {*UNKNOWN, *KNOWN}
    assert sorted(ip_api.asked) == sorted(UNKNOWN)


def test_one_address_is_answered_from_here_or_by_a_provider(command_ledger: Database, ip_api: Any) -> None:
    """--ip prints what a local database knows without asking anybody, and asks about the rest at once."""
    assert "Sampleton" in run("--ip", "8.8.8.8").output
    assert ip_api.asked == []
    printed = json.loads(run("--ip", "11.0.0.9", "--json").output)
    assert (printed["provider"], printed["country_code"], printed["asn"]) == ("ip-api", "EX", 64496)
    assert run("--ip", "11.0.0.9").exit_code == 0
    assert ip_api.asked == ["11.0.0.9"]
    assert located(command_ledger) == {"11.0.0.9"}
    assert "Sampleton" in run("--ip", "8.8.8.8", "--force").output
    assert located(command_ledger) == {"11.0.0.9", "8.8.8.8"}


def test_one_address_can_be_queued(command_ledger: Database) -> None:
    """--ip with --queue-jobs makes one job, before all others; a second one changes nothing."""
    assert "queued" in run("--queue-jobs", "--ip", "11.0.0.9").output
    assert "nothing to do" in run("--queue-jobs", "--ip", "11.0.0.9").output
    with command_ledger.reading() as connection:
        assert connection.execute(select(jobs.c.address, jobs.c.level)).all() == [("11.0.0.9", 0)]


@pytest.mark.parametrize("address", ["10.0.0.1", "224.0.0.1", "nonsense", "::1"])
def test_an_address_without_a_place_is_refused(command_ledger: Database, address: str) -> None:
    """One line, and wrong usage."""
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", address])
    assert isinstance(result.exception, ConfigurationError)


def test_nobody_to_ask_is_said(command_ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is one line."""
    monkeypatch.setenv("COBALT_IPAPI_URL", "http://127.0.0.1:1")
    result = CliRunner().invoke(cobalt, ["geolocate", "--ip", "11.0.0.9"])
    assert isinstance(result.exception, NoLocationError)
    assert "no provider" in str(result.exception)
    assert "connection refused" in str(result.exception)


@pytest.mark.parametrize(("mode", "together"), [(["--async-batch"], 2), ([], 1)], ids=str)
def test_several_calls_are_made_at_a_time_only_by_async_batch(
    command_ledger: Database, ip_api: Any, mode: list[str], together: int
) -> None:
    """With it each full batch has its call on the way at once; without it one follows the other."""
    add_hosts(command_ledger, *UNKNOWN[:200])
    ip_api.delay = 0.7
    run(*mode, "--delay=0")
    assert (ip_api.together, len(ip_api.calls)) == (together, 2)


@pytest.mark.parametrize("mode", [["--queue-jobs"], ["--async-batch"], []], ids=str)
def test_the_batch_size_holds_in_every_mode(
    command_ledger: Database, ip_api: Any, mode: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts are taken by as many as the user says, also where only jobs are made."""
    add_hosts(command_ledger, *KNOWN)
    taken: list[int] = []
    candidates = inprocess.locations.candidates

    def seen(*arguments: Any) -> Any:
        page = candidates(*arguments)
        taken.append(len(page))
        return page

    monkeypatch.setattr(inprocess.locations, "candidates", seen)
    run(*mode, "--delay=0", "--batch-size=15")
    assert taken == [15, 15, 10, 0]


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
def test_wrong_usage_is_one_clear_line(command_environment: dict[str, str], arguments: list[str]) -> None:
    """Exit code 2, and nothing is done."""
    ended = subprocess.run([*COMMAND, *arguments], env=command_environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_the_bar_leaves_out_whom_nobody_is_asked_about(command_ledger: Database) -> None:
    """Rate, successes and time are those of public hosts; the bar comes to its end."""
    add_hosts(command_ledger, *KNOWN[:3], *PRIVATE)
    shown = Console(file=StringIO(), force_terminal=True)
    with Progress(console=shown) as progress:
        bar = _geolocate_all._Bar(progress, total=7)
        bar.leave_out(4)
        bar.report(2, 1)
        (task,) = progress.tasks
        assert (task.total, task.completed, task.fields["done"], task.fields["failed"]) == (3, 3, 2, 1)
        assert task.finished


def test_the_functions_for_other_programs(command_ledger: Database, ip_api: Any) -> None:
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


def test_a_local_look_up_imports_nothing_slow(command_ledger: Database) -> None:
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
