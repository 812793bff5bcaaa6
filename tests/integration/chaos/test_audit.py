"""The audit finds what it is there for."""

import time
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from cobalt_tasks.chaos import audit
from cobalt_tasks.chaos.faults import Faults, Struck
from cobalt_tasks.chaos.feed import Expected
from cobalt_tasks.chaos.stack import Stack
from cobalt_tasks.chaos.targets import CALLS
from cobalt_tasks.chaos.trigger_log import TriggerLog
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.db.engine import Database

JOBS = {("domain", "192.0.2.1", 0)}
INPUT = b'{"one": "line"}\n'
DONE = "UPDATE jobs SET state = 'done', claim = NULL"
ANOTHER = (
    "INSERT INTO jobs (id, kind, address, protocol, port, level, state, forced, isolated, attempts, not_before, created_at) "
    "VALUES (2, 'domain', '192.0.2.1', '', 0, 2, 'pending', false, false, 0, 0, 0)"
)


@pytest.fixture
def sound(database: Database, database_url: str, tmp_path: Path) -> tuple[TriggerLog, dict[str, Expected]]:
    """A ledger in which one line was read and one job done."""
    trigger_log = TriggerLog(database_url.removeprefix("sqlite:///"))
    trigger_log.install()
    file = tmp_path / "feed.jsonl"
    file.write_bytes(INPUT)
    for statement in (
        "INSERT INTO sources (id, name, read, accepted, created_at, updated_at) VALUES (1, :name, 1, 1, 0, 0)",
        (
            "INSERT INTO observations (source_id, observed_at, arrived_at, src_ip, dst_ip, dst_port, protocol) "
            "VALUES (1, 5.0, 0, '192.0.2.1', '192.0.2.1', 1, 'tcp')"
        ),
        (
            "INSERT INTO jobs (id, kind, address, protocol, port, level, state, forced, isolated, attempts, not_before, created_at) "
            "VALUES (1, 'domain', '192.0.2.1', '', 0, 2, 'pending', false, false, 0, 0, 0)"
        ),
        "UPDATE jobs SET state = 'running', claim = 'it'",
        DONE,
    ):
        execute(database, statement, name=str(file))
    (tmp_path / CALLS).write_text("1.0 200 3\n")
    return trigger_log, {str(file): Expected(accepted=1, observations=1)}


def execute(database: Database, statement: str, **values: object) -> None:
    """Do something to the ledger that the program never would, one statement after the other."""
    with database.writing() as connection:
        for single in statement.split(";"):
            used = {name: value for name, value in values.items() if f":{name}" in single}
            connection.execute(text(single), used)


def examine(sound: tuple[TriggerLog, dict[str, Expected]], folder: Path) -> audit.Findings:
    """Audit."""
    trigger_log, expected = sound
    return audit.examine(trigger_log, folder, expected, JOBS, [])


def test_a_sound_ledger_has_no_problem(sound: tuple[TriggerLog, dict[str, Expected]], tmp_path: Path) -> None:
    """Nothing is found where nothing is wrong."""
    found = examine(sound, tmp_path)
    assert found.problems == []
    assert (found.lines, found.jobs, found.lost, found.duplicated) == (1, {"done": 1}, 0, 0)
    assert found.provider_calls == 1


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("UPDATE sources SET accepted = 2", "the ledger of feed.jsonl"),
        ("DELETE FROM observations", "1 connections were fed, 0 are stored"),
        (("INSERT INTO observations (source_id, observed_at, arrived_at, src_ip, dst_ip, dst_port, protocol) "
         "VALUES (1, 5.0, 0, 'x', 'y', 1, 'tcp')"), "lines are stored twice"),
        ("UPDATE jobs SET state = 'running'", "1 jobs never ended"),
        ("DELETE FROM jobs", "1 jobs were never made"),
        ("UPDATE jobs SET state = 'done'", "jobs ended twice"),
        (f"UPDATE jobs SET state = 'running', claim = 'a'; UPDATE jobs SET state = 'running', claim = 'b'; {DONE}",
         "1 jobs were claimed while another worker held them"),
        (f"{ANOTHER}; UPDATE jobs SET state = 'running' WHERE id = 2; {DONE} WHERE id = 2",
         "1 targets were worked on twice"),
        ("UPDATE jobs SET state = 'dead', outcome = 'fault'", "1 jobs died of a fault in the program"),
        ("UPDATE jobs SET port = 7", "jobs were made that no input calls for"),
        ("INSERT INTO hostnames (address, name, source, confirmed, first_seen, last_seen) VALUES ('192.0.2.1', 'n1', 'ptr', true, 0, 0), ('192.0.2.1', 'n2', 'ptr', true, 0, 0)",
         "names were written twice"),
        (("INSERT INTO locations (address, provider, fetched_at) VALUES ('192.0.2.1', 'ip-api', 0) "
         "ON CONFLICT (address) DO UPDATE SET fetched_at = 1"), None),
    ],
)  # fmt: skip
def test_harm_is_found(
    sound: tuple[TriggerLog, dict[str, Expected]],
    database: Database,
    tmp_path: Path,
    harm: str,
    says: str | None,
) -> None:
    """Each thing that must not happen is said; the same location twice is found at its second writing."""
    execute(database, harm)
    if says is None:
        assert examine(sound, tmp_path).problems == []
        execute(database, harm)
        says = "locations were written twice"
    assert says in " ".join(examine(sound, tmp_path).problems)


@pytest.mark.parametrize(
    "harmless",
    [
        # Made although it was fresh a moment later; found to be so when it is claimed.
        f"{ANOTHER}; UPDATE jobs SET state = 'done', outcome = 'fresh' WHERE id = 2",
        # Somebody asked for a job that was running: it goes on under the same claim.
        f"UPDATE jobs SET state = 'running', claim = 'it'; UPDATE jobs SET state = 'running', level = 0; {DONE}",
        "UPDATE jobs SET state = 'dead', outcome = 'worker lost'",
    ],
)
def test_what_may_happen_is_no_harm(
    sound: tuple[TriggerLog, dict[str, Expected]], database: Database, tmp_path: Path, harmless: str
) -> None:
    """Only a second beginning counts as work done twice, and only a fault of the program as one."""
    execute(database, "DELETE FROM chaos_transitions")
    execute(database, harmless)
    assert examine(sound, tmp_path).problems == []


def test_a_recovery_that_takes_too_long_is_a_broken_promise(
    sound: tuple[TriggerLog, dict[str, Expected]], database: Database, tmp_path: Path
) -> None:
    """Half a minute is the most a job may be out of reach after a fault."""
    trigger_log, expected = sound
    for seconds, problems in ((audit.MOST_RECOVERY - 1, 0), (audit.MOST_RECOVERY, 1)):
        execute(database, "DELETE FROM chaos_transitions")
        for at, old, new in ((99.0, "pending", "sent"), (100.0 + seconds, "sent", "pending")):
            execute(database, f"INSERT INTO chaos_transitions VALUES ({at}, 1, '{old}', '{new}', false, 2, NULL)")
        found = audit.examine(trigger_log, tmp_path, expected, JOBS, [Struck(100.0, "any")])
        assert len(found.problems) == problems


def test_a_call_beyond_the_budget_is_found(sound: tuple[TriggerLog, dict[str, Expected]], tmp_path: Path) -> None:
    """What the provider refused was one call too many."""
    (tmp_path / CALLS).write_text("1.0 200 3\n2.0 429 3\n")
    assert examine(sound, tmp_path).over_budget == 1


def test_recovery_is_until_a_job_is_runnable_again_and_waiting_until_it_is_begun() -> None:
    """A job out when a fault struck counts, one that was not does not, and a pause of its own is neither."""
    fault = [(100.0, 100.0)]
    taken_back = [
        (90.0, 1, "pending", "sent", False),
        (95.0, 1, "sent", "running", False),
        (118.0, 1, "running", "pending", False),
        (118.5, 1, "pending", "sent", False),
        (120.0, 1, "sent", "running", False),
        (150.0, 1, "running", "done", False),
    ]
    assert audit.longest_recovery(taken_back, fault).seconds == 18.0
    assert audit.longest_wait(taken_back, fault) == 20.0
    later = [(101.0, 1, "pending", "sent", False), (150.0, 1, "sent", "running", False)]
    assert audit.longest_recovery(later, fault).seconds == 0.0
    assert audit.longest_wait(later, fault) == 0.0
    assert audit.longest_recovery(taken_back, [(100.0, 112.0)]).seconds == 6.0
    in_line = [(90.0, 1, "pending", "sent", False), (150.0, 1, "sent", "running", False)]
    assert audit.longest_recovery(in_line, fault).seconds == 50.0
    assert audit.longest_recovery(in_line, fault, {1: [91.0, 138.0, 151.0]}).seconds == 12.0
    assert audit.longest_recovery(taken_back, fault, {1: [108.0]}).seconds == 18.0
    paused = [
        (90.0, 1, "sent", "running", False),
        (101.0, 1, "running", "pending", True),
        (160.0, 1, "pending", "running", False),
    ]
    assert audit.longest_recovery(paused, fault).seconds == 1.0
    assert audit.longest_wait(paused, fault) == 0.0


def test_times_of_a_stepped_clock_are_told_apart() -> None:
    """What the database's clock said between steps of an hour and a day is read by this machine's."""
    steps = [(0.0, 0.0), (1000.0, 3600.0), (1100.0, -86400.0), (1200.0, 0.0)]
    said = [900.0, 1050.0 + 3600, 1150.0 - 86400, 1250.0]
    assert [audit.real_time(at, steps) for at in said] == [900.0, 1050.0, 1150.0, 1250.0]


def test_a_time_of_yesterday_is_not_before_the_run(tmp_path: Path) -> None:
    """What happens while the clock is a day behind happened during the run, not a day before its first fault.

    Break: let the first of `Faults.steps` begin at the epoch.
    """
    faults = Faults(Stack(tmp_path, "postgresql", tmp_path, tmp_path, None), Random(1))
    faults._set_clocks(-DAY, 0.0)
    now = time.time()
    assert audit.real_time(now - DAY, faults.steps) == pytest.approx(now, abs=1)
    # Read just before the file with the step was written: the nearest one.
    assert audit.real_time(99.5, [(100.0, 0.0), (200.0, HOUR)]) == 99.5
