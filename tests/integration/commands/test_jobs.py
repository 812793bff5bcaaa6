"""`cobalt jobs`, on each database: what it prints, what it changes, and how it answers what makes no sense."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cobalt_tasks.cli import main
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation

Run = Callable[..., tuple[int, str, str]]
LARGEST = 2**63 - 1


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one `cobalt jobs …`; returns its exit code and what it said."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["jobs", *arguments])
        said = capsys.readouterr()
        return int(str(ended.value.code)), said.out, said.err

    return run


@pytest.fixture
def ledger(database: Database, home: Path, redis_url: str) -> Database:
    """A banner job that failed with words of a peer, a domain job that is dead, and one that is pending."""
    new = [NewJob(kind="banner", address="192.0.2.1", protocol="tcp", port=22)]
    new += [NewJob(kind="domain", address=address) for address in ("192.0.2.1", "2001:db8::1")]
    for each in new:
        database.write(creation.create, [each])
    with database.writing() as connection:
        for number, state, detail in ((1, "failed", "said \x1b[2J"), (2, "dead", "its worker was lost 3 times")):
            ended = update(table).where(table.c.id == number)
            connection.execute(ended.values(state=state, outcome="any", detail=detail, finished_at=1.0, attempts=3))
    return database


def states(database: Database) -> list[str]:
    """Every job's state, the oldest first."""
    with database.reading() as connection:
        return list(connection.execute(select(table.c.state).order_by(table.c.id)).scalars())


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ((), [3, 2, 1]),
        (("--kind", "domain"), [3, 2]),
        (("--state", "dead"), [2]),
        (("--address", "192.0.2.1"), [2, 1]),
        (("--address", "2001:0DB8:0::1"), [3]),
        (("--kind", "domain", "--address", "192.0.2.1", "--state", "failed"), []),
        (("1", "3"), [3, 1]),
        ((str(LARGEST),), []),
        (("--limit", "1"), [3]),
    ],
)
def test_filters_narrow_the_list(ledger: Database, run: Run, options: tuple[str, ...], numbers: list[int]) -> None:
    """The newest first; an address may be spelled in any way."""
    code, out, _ = run("list", "--json", *options)
    assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, numbers)


def test_what_a_peer_said_does_not_speak_to_the_terminal(ledger: Database, run: Run) -> None:
    """Escapes are shown as text: invariant 9 of docs/architecture.md. Break: printable in tables.py."""
    for command in (("list",), ("show", "1")):
        code, out, _ = run(*command)
        assert code == 0
        assert "said \\x1b[2J" in out
        assert "\x1b" not in out


def test_all_of_one_job_is_shown(ledger: Database, run: Run) -> None:
    """As text what is known, as JSON everything."""
    assert "its worker was lost 3 times" in run("show", "2")[1]
    shown = json.loads(run("show", "2", "--json")[1])
    assert (shown["id"], shown["state"], shown["claim"]) == (2, "dead", None)


def test_jobs_are_tried_again_and_sent(ledger: Database, run: Run) -> None:
    """A dead job is sent at once; what is active already is left alone."""
    assert run("retry", "--state", "dead") == (0, "1 jobs are pending again\n", "")
    assert states(ledger) == ["failed", "sent", "sent"]
    assert run("retry", "3")[1] == "0 jobs are pending again\n"
    assert run("retry", "--all")[1] == "1 jobs are pending again\n"
    assert states(ledger) == ["sent"] * 3


def test_without_redis_they_wait_in_the_ledger(ledger: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said, and is no failure."""
    monkeypatch.setenv("COBALT_BROKER_URL", "redis://127.0.0.1:1/0")
    code, out, err = run("retry", "2")
    assert (code, out) == (0, "1 jobs are pending again\n")
    assert "they wait in the ledger" in err
    assert states(ledger)[1] == "pending"


def test_jobs_are_cancelled_and_pruned(ledger: Database, run: Run) -> None:
    """Only what has not ended is cancelled; only what ended long ago is pruned."""
    assert run("cancel", "--all")[1] == "1 jobs cancelled\n"
    assert states(ledger) == ["failed", "dead", "cancelled"]
    assert run("cancel", "--all")[1] == "0 jobs cancelled\n"
    assert run("prune", "--older-than", "90")[1] == "2 jobs pruned\n"
    assert states(ledger) == ["cancelled"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("retry",), "name the jobs"),
        (("cancel",), "name the jobs"),
        (("list", "--address", "nowhere"), "'nowhere' is no address"),
        (("list", "--address", ""), "'' is no address"),
        (("list", "--state", "lost"), "'lost' is not one of"),
        (("list", "--kind", "any"), "'any' is not one of"),
        (("list", "--limit", "0"), "--limit"),
        (("list", "one"), "'one' is not a valid integer"),
        (("show", "99"), "there is no job 99"),
        (("retry", "99"), "there is no job 99"),
        (("cancel", "98", "99"), "there is no job 98, 99"),
        (("show", str(LARGEST + 1)), "is not in the range"),
        (("cancel", "0"), "is not in the range"),
        (("prune", "--older-than", "nan"), "is no number of days"),
        (("prune", "--older-than", "inf"), "is no number of days"),
        (("prune", "--older-than", "-1"), "is not in the range"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(
    ledger: Database, run: Run, arguments: tuple[str, ...], says: str
) -> None:
    """Wrong usage, exit code 2, and nothing is changed."""
    before = states(ledger)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert says in err.splitlines()[-1]
    assert states(ledger) == before
