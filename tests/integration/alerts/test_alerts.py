"""From changes to messages, and from messages to receivers."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from cobalt_tasks.alerts import evaluate, outbox, sending
from cobalt_tasks.alerts.receivers import webhook as webhooks
from cobalt_tasks.cli import main
from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import alerts, cursors, ports, sources
from cobalt_tasks.hosts import notes
from cobalt_tasks.hosts.notes import Note
from cobalt_tasks.views import health
from tests.integration.alerts.conftest import Write
from tests.support.webhooks import webhook

RULE = '[[rules]]\nname = "new ports"\nsend_to = ["soar"]\ngroup = "0s"\n'
HOUR = 3600.0
Rules = Callable[..., Path]


def rows(database: Database) -> list[dict[str, object]]:
    """All messages."""
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(select(alerts).order_by(alerts.c.id)).mappings()]


def make_due(database: Database) -> None:
    """Let the pause before the next try be over."""
    with database.writing() as connection:
        connection.execute(update(alerts).values(due_at=0.0))


def test_a_change_is_one_signed_message(database: Database, rules: Rules, opened: Write) -> None:
    """A change that a rule is about arrives once, signed, with its parts; what the rule is not about does not."""
    with webhook() as server:
        home = rules(server, RULE + 'kinds = ["port opened"]\nquery = "port:22"\nseverity = "warning"')
        with database.writing() as connection:
            known = {"address": "192.0.2.1", "protocol": "tcp", "first_seen": 1.0, "last_seen": 1.0}
            connection.execute(insert(ports), [{**known, "port": 22}, {**known, "port": 23}])
        opened(database, 22, 23)
        opened(database, 22, kind=ChangeKind.PORT_CLOSED)
        assert evaluate.evaluate(database, home) == 3
        assert evaluate.evaluate(database, home) == 0
        assert sending.send_due(database, home) == 1
        assert sending.send_due(database, home) == 0
    ((headers, body),) = server.requests
    document = json.loads(body)
    assert document["count"] == 1
    assert document["items"][0]["text"] == "192.0.2.1 22/tcp: port opened"
    assert {name: document["items"][0][name] for name in ("kind", "port")} == {"kind": "port opened", "port": 22}
    assert headers["Idempotency-Key"] == document["key"]
    signed = webhooks.signature("s3cr3t", headers["Cobalt-Timestamp"], body)
    assert headers["Cobalt-Signature"] == f"sha256={signed}"
    assert [row["state"] for row in rows(database)] == ["sent"]


def test_many_changes_are_one_message(database: Database, rules: Rules, opened: Write) -> None:
    """Of 500 new ports a message lists as many as its rule allows, and how many more there are, also over several rounds."""
    with webhook() as server:
        home = rules(server, RULE.replace("0s", "10m") + "lines = 5")
        for first in range(0, 500, 100):
            opened(database, *range(first + 1, first + 101))
            evaluate.evaluate(database, home)
        assert sending.send_due(database, home) == 0
        make_due(database)
        assert sending.send_due(database, home) == 1
    (document,) = server.bodies.values()
    assert document["count"] == 500
    assert [item["port"] for item in document["items"]] == [1, 2, 3, 4, 5]
    assert document["title"] == "Cobalt: new ports (500)"


def test_a_receiver_that_refuses_is_tried_ten_times(
    sqlite_database: Database,
    rules: Rules,
    opened: Write,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After ten tries with growing pauses a message is dead: health, list and log name the reason and no secret; retry sends it."""
    pauses = []
    with webhook() as server:
        server.behaviour = lambda: 503
        home = rules(server, RULE)
        opened(sqlite_database, 22)
        evaluate.evaluate(sqlite_database, home)
        for number in range(1, 11):
            assert sending.send_due(sqlite_database, home) == 1
            (row,) = rows(sqlite_database)
            assert row["attempts"] == number
            pauses.append(row["due_at"] - time.time())
            assert sending.send_due(sqlite_database, home) == 0
            make_due(sqlite_database)
        assert row["state"] == "dead"
        assert row["reason"] == "it answered 503"
        longest = [min(15.0 * 2**number, HOUR) for number in range(9)]
        assert all(half / 2 - 5 < pause <= half for pause, half in zip(pauses, longest, strict=False))
        found = health.require_ledger(sqlite_database).dead_alerts
        assert found == outbox.Dead(count=1, receiver="soar", reason="it answered 503")
        with pytest.raises(SystemExit):
            main(["alerts", "list", "--dead"])
        with pytest.raises(SystemExit):
            main(["alerts", "retry"])
        printed = capsys.readouterr().out + caplog.text
        assert "it answered 503" in printed
        assert "t0k3n" not in printed
        assert "s3cr3t" not in printed
        server.behaviour = lambda: 200
        assert sending.send_due(sqlite_database, home) == 1
    assert len(server.accepted) == 1
    assert health.require_ledger(sqlite_database).dead_alerts is None


def test_redirects_are_not_followed(sqlite_database: Database, rules: Rules, opened: Write) -> None:
    """An answer that leads elsewhere is a failure that says so; the address it names is not asked."""
    with webhook() as server:
        server.behaviour = lambda: 307
        home = rules(server, RULE)
        opened(sqlite_database, 22)
        evaluate.evaluate(sqlite_database, home)
        sending.send_due(sqlite_database, home)
    assert len(server.requests) == 1
    assert "redirects are not followed" in str(rows(sqlite_database)[0]["reason"])


def test_rules_are_about_what_is_recorded_after_them(database: Database, rules: Rules, opened: Write) -> None:
    """Without a file, changes are passed over; a file that comes later does not look back at them."""
    opened(database, 1)
    with webhook() as server:
        assert evaluate.evaluate(database, rules(server, RULE).parent / "elsewhere") == 0
        home = rules(server, RULE)
        opened(database, 2)
        assert evaluate.evaluate(database, home) == 1
    assert [json.loads(str(row["items"]))[0]["port"] for row in rows(database)] == [2]


def test_a_wrong_file_passes_nothing_over(database: Database, rules: Rules, opened: Write) -> None:
    """While alerts.toml cannot be used, changes wait for it."""
    with webhook() as server:
        home = rules(server, RULE)
        evaluate.evaluate(database, home)
        opened(database, 1)
        good = (home / "alerts.toml").read_text()
        (home / "alerts.toml").write_text(good + 'query = "prt:22"')
        with pytest.raises(ConfigurationError, match=r"rule 'new ports': query: .*perhaps port"):
            evaluate.evaluate(database, home)
        (home / "alerts.toml").write_text(good)
        assert evaluate.evaluate(database, home) == 1


def test_accepted_changes_send_nothing(database: Database, rules: Rules, opened: Write) -> None:
    """What the user accepted until a time is in no message before it, and is again after it."""
    with webhook() as server:
        home = rules(server, RULE)
        evaluate.evaluate(database, home)
        now = time.time()
        same = {"about": notes.CHANGE, "kind": "port opened", "reason": "known", "author": "a", "created_at": now}
        with database.writing() as connection:
            notes.add(connection, Note(address="192.0.2.1", subject="tcp/22", expires_at=now + HOUR, **same))
            notes.add(connection, Note(address="192.0.2.1", subject="tcp/23", expires_at=now - 1, **same))
        opened(database, 22, 23)
        opened(database, 22, address="192.0.2.2")
        assert evaluate.evaluate(database, home) == 3
    (message,) = rows(database)
    assert [(item["address"], item["port"]) for item in json.loads(str(message["items"]))] == [
        ("192.0.2.1", 23),
        ("192.0.2.2", 22),
    ]


def test_two_evaluators_write_one_message(
    database: Database, rules: Rules, opened: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that read the same changes, but comes second, writes nothing."""
    with webhook() as server:
        home = rules(server, RULE)
        evaluate.evaluate(database, home)
        opened(database, 1)
        page = evaluate.changes.page

        def overtaken(*args: object, **kwargs: object) -> object:
            found = page(*args, **kwargs)
            monkeypatch.undo()
            return found

        with database.reading() as connection:
            before = evaluate.cursors.position(connection, evaluate.CURSOR)
        evaluate.evaluate(database, home)
        monkeypatch.setattr(evaluate.cursors, "position", lambda *_: before)
        monkeypatch.setattr(evaluate.changes, "page", overtaken)
        evaluate.evaluate(database, home)
    assert len(rows(database)) == 1


def test_an_expected_scan_that_does_not_come(database: Database, rules: Rules) -> None:
    """One message, until it came and is missing again; none while it comes, nor before it was expected long enough.

    A file's source has its whole path as its name, which the name of the file alone stands for. Break: `_is_named`.
    """
    scan = '[[expected]]\nname = "nightly"\nsource = "masscan*.json"\nevery = "24h"\nsend_to = ["soar"]\n'
    with webhook() as server:
        home = rules(server, scan)
        now = time.time()
        evaluate.evaluate(database, home)
        assert rows(database) == []
        with database.writing() as connection:
            source = {"name": "/scans/masscan-1.json", "created_at": now - 90 * HOUR, "updated_at": now - 25 * HOUR}
            connection.execute(insert(sources).values(source))
            # Of other names.
            for name in ("/masscan/x.json", "/scans/Masscan.json", "/scans/masscan.json.gz"):
                connection.execute(insert(sources).values(name=name, created_at=now, updated_at=now))
        os.utime(home / "alerts.toml", (now - 90 * HOUR, now - 90 * HOUR))
        evaluate.evaluate(database, home)
        evaluate.evaluate(database, home)
        assert len(rows(database)) == 1
        for hours, messages in ((1, 1), (26, 2)):
            with database.writing() as connection:
                named = sources.c.name == "/scans/masscan-1.json"
                connection.execute(update(sources).where(named).values(updated_at=now - hours * HOUR))
            evaluate.evaluate(database, home)
            assert len(rows(database)) == messages
    assert "nothing came from masscan*.json since" in str(rows(database)[0]["items"])


def test_clock_steps_delay_nothing_and_repeat_nothing(database: Database, rules: Rules, opened: Write) -> None:
    """What was written or tried before the clock was set back is sent at once; a step forward sends nothing again."""
    with webhook() as server:
        home = rules(server, RULE)
        opened(database, 1)
        evaluate.evaluate(database, home)
        with database.writing() as connection:
            # As if the clock had been an hour ahead when it was written, and a day ahead when it was tried.
            connection.execute(update(alerts).values(created_at=time.time() + HOUR, due_at=time.time() + HOUR))
        assert sending.send_due(database, home) == 1
        opened(database, 2)
        evaluate.evaluate(database, home)
        with database.writing() as connection:
            waiting = alerts.c.state == "pending"
            connection.execute(
                update(alerts).where(waiting).values(attempts=3, created_at=1.0, due_at=time.time() + 24 * HOUR)
            )
        assert sending.send_due(database, home) == 1
        opened(database, 3)
        evaluate.evaluate(database, home)
        claimed = database.write(outbox.claim)
        assert claimed is not None
        with database.writing() as connection:
            connection.execute(update(alerts).values(created_at=1.0, due_at=1.0))
        assert sending.send_due(database, home) == 0
        database.write(outbox.succeed, claimed)
    assert sorted(server.accepted.values()) == [1, 1]
    with database.reading() as connection:
        assert connection.execute(select(cursors.c.position).where(cursors.c.name == evaluate.CURSOR)).scalar() == 3


def test_what_a_lost_sender_left_is_sent_once_more(
    database: Database, rules: Rules, opened: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim is left alone until it stood still for a minute; a sender that comes back late changes nothing."""
    with webhook() as server:
        home = rules(server, RULE)
        opened(database, 1)
        evaluate.evaluate(database, home)
        lost = database.write(outbox.claim)
        assert sending.send_due(database, home) == 0
        real = time.monotonic
        monkeypatch.setattr(outbox.time, "monotonic", lambda: real() + 61)
        assert sending.send_due(database, home) == 0
        monkeypatch.undo()
        make_due(database)
        assert lost is not None
        database.write(outbox.fail, lost, "late")
        assert sending.send_due(database, home) == 1
        database.write(outbox.fail, lost, "late")
    assert [(row["state"], row["attempts"]) for row in rows(database)] == [("sent", 2)]


def test_check_shows_what_rules_match(
    sqlite_database: Database, rules: Rules, opened: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names receivers and the changes of each rule, no secret, and sends nothing."""
    with webhook() as server:
        rules(server, RULE)
        opened(sqlite_database, 22, 23)
        with pytest.raises(SystemExit) as ended:
            main(["alerts", "check"])
        assert ended.value.code == 0
        assert server.requests == []
        printed = capsys.readouterr().out
        assert "receiver soar: webhook" in printed
        assert "rule new ports: 2 matches since 24h\n  192.0.2.1 23/tcp: port opened" in printed
        assert "t0k3n" not in printed
        with pytest.raises(SystemExit) as ended:
            main(["alerts", "test", "soar"])
        assert ended.value.code == 0
        assert capsys.readouterr().out == "soar: delivered\n"
    assert len(server.requests) == 1


def test_check_reads_the_file_before_there_is_a_ledger(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who writes the file first sees whether it is right, and that nothing can match yet. Break: open the ledger first."""
    monkeypatch.setenv("COBALT_DATABASE_URL", f"sqlite:///{home}/none.db")
    file = home / "alerts.toml"
    file.write_text('[receivers.siem]\nsyslog = "udp://127.0.0.1"\n[[rules]]\nname = "all"\nsend_to = ["siem"]\n')
    file.chmod(0o600)
    with pytest.raises(SystemExit) as ended:
        main(["alerts", "check"])
    printed = capsys.readouterr()
    assert ended.value.code == 0
    assert "rule all: 0 matches" in printed.out
    assert "there is no ledger yet" in printed.err
    file.write_text("[receivers.siem]\n")
    with pytest.raises(SystemExit) as ended:
        main(["alerts", "check"])
    assert ended.value.code == 2
    assert "siem" in capsys.readouterr().err
