"""What changed, on the command line and over the API: filters, `--since last`, what is accepted, and how to resume."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes
from tests.integration.views.conftest import get

HOST = "203.0.113.9"
Serving = Callable[[Settings], Any]


def write(database: Database, *found: tuple[ChangeKind, int]) -> None:
    """Write changes of ports of a host."""
    new = [
        Change(kind=kind, address=HOST, protocol="tcp", port=port, observed_at=time.time(), old="a", new="b")
        for kind, port in found
    ]
    database.write(changes.write, new)


def run(*arguments: str) -> str:
    """Run a command that ends well; return what it prints."""
    ran = CliRunner().invoke(cobalt, arguments)
    assert ran.exit_code == 0, ran.output
    return ran.output


def known_ports(database: Database, *ports: int) -> None:
    """Let the ledger know ports of the host, one of them closed."""
    from sqlalchemy import insert

    from cobalt_tasks.db import tables as models

    seen = {"first_seen": 1.0, "last_seen": 2.0}
    rows = [{"address": HOST, "protocol": "tcp", "port": port, **seen} for port in ports]
    for row in rows:
        row.update(dict.fromkeys(("closed_since", "unconfirmed_since"), 3.0 if row["port"] == ports[0] else None))
    database.write(lambda c: c.execute(insert(models.hosts), [{"address": HOST, "discovered": True, **seen}]))
    database.write(lambda c: c.execute(insert(models.ports), rows))


def test_last_is_remembered_until_something_is_new(sqlite_database: Database, settings: Settings) -> None:
    """`--since last` shows each change once to a user; a filtered look is none. Break: do not keep the mark."""
    write(sqlite_database, (ChangeKind.PORT_OPENED, 22))
    assert "port 22/tcp is open now" in run("changes", "--since", "1h")
    write(sqlite_database, (ChangeKind.PORT_CLOSED, 23))
    run("changes", "--since", "last", "--host", HOST)
    sqlite_database.write(
        changes.write,
        [Change(kind=ChangeKind.PORT_REOPENED, address=HOST, port=80, protocol="tcp", observed_at=1.0)],
        7,
    )
    assert "port 80/tcp is open again" in run("changes", "--since", "last")
    assert run("changes", "--since", "last") == "nothing changed since you looked last\n"
    write(sqlite_database, (ChangeKind.PORT_REOPENED, 23))
    shown = run("changes", "--since", "last")
    assert ("23/tcp is open again" in shown, "80/tcp" in shown) == (True, False)


def rows(printed: str) -> list[dict[str, object]]:
    """The rows of a list that was printed as JSON."""
    return [json.loads(line) for line in printed.splitlines()]


def test_filters_and_pages(database: Database, live_settings: Settings, serving: Serving) -> None:
    """A query is asked of the port, closed or not; kinds and pages narrow; `after` resumes where a reader was."""
    known_ports(database, 21, 22, 443)
    write(database, (ChangeKind.PORT_CLOSED, 21), (ChangeKind.VERSION_CHANGED, 22), (ChangeKind.PORT_OPENED, 443))
    shown = rows(run("changes", "--since", "1h", "--json", "port:21 net:203.0.113.0/24"))
    assert [(row["kind"], row["port"]) for row in shown] == [("port closed", 21)]
    assert [row["port"] for row in rows(run("changes", "--json", "--kind", "port opened"))] == [443]
    refused = CliRunner().invoke(cobalt, ["changes", "--kind", "nonsense"])
    assert "there is no kind of change 'nonsense'" in str(refused.exception)
    with serving(live_settings) as url:
        page = get(f"{url}/api/changes?limit=2").json()
        rest = get(f"{url}/api/changes?limit=2&before={page['next']}").json()
        assert [row["port"] for row in page["items"] + rest["items"]] == [443, 22, 21]
        assert rest["next"] is None
        follow = get(f"{url}/api/changes?after=0").json()
        assert [row["port"] for row in follow["items"]] == [21, 22, 443]
        write(database, (ChangeKind.PORT_REOPENED, 21))
        assert [row["port"] for row in get(f"{url}/api/changes?after={follow['next']}").json()["items"]] == [21]
        found = get(f"{url}/api/changes?kind=port%20closed&kind=port%20opened&q=port:21").json()["items"]
        assert [(row["kind"], row["text"]) for row in found] == [("port closed", "port 21/tcp is closed now")]
        assert get(f"{url}/api/changes?kind=nonsense").status_code == 422
        assert get(f"{url}/api/changes?q=nonsense:1").status_code == 422


def test_what_is_accepted_is_shown_until_it_is_over(
    database: Database, live_settings: Settings, serving: Serving
) -> None:
    """A note on a change holds for the next one of its kind on that port, says who and why, and ends when it is removed."""
    known_ports(database, 21, 22)
    write(database, (ChangeKind.PORT_REOPENED, 21), (ChangeKind.PORT_OPENED, 22))
    run("accept", "change", "1", "--because", "a lab", "--by", "me", "--until", "30d")
    write(database, (ChangeKind.PORT_REOPENED, 21))
    assert run("changes").count("a lab]") == 2
    with serving(live_settings) as url:
        shown = {row["id"]: row["accepted"] for row in get(f"{url}/api/changes").json()["items"]}
        assert {number: note and (note["author"], note["reason"]) for number, note in shown.items()} == {
            1: ("me", "a lab"),
            2: None,
            3: ("me", "a lab"),
        }
        (note,) = get(f"{url}/api/notes?host={HOST}").json()["items"]
        assert (note["about"], note["subject"], note["holds"]) == ("change", "tcp/21", True)
        assert "port reopened tcp/21" in run("notes", "list")
        run("notes", "remove", "1")
        assert get(f"{url}/api/notes").json()["items"] == []
        assert [each["holds"] for each in get(f"{url}/api/notes?all=true").json()["items"]] == [False]
    assert "a lab" not in run("changes")
    assert "nothing is accepted" in run("notes", "list")


def test_a_note_for_ever_and_by_no_known_user(
    sqlite_database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time beyond the calendar is shown as a number; a user without a name is one by its number.

    Break: format the time with strftime, or ask for the user's name alone.
    """

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", unknown)
    write(sqlite_database, (ChangeKind.PORT_OPENED, 22))
    run("accept", "change", "1", "--because", "a lab", "--until", "999999w")
    assert "[accepted, until " in run("changes")
    (note,) = rows(run("notes", "list", "--json"))
    assert note["author"] == f"uid {os.getuid()}"
