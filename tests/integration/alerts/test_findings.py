"""Rules of alerts over findings."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

from cobalt_tasks.alerts import evaluate, outbox, sending
from cobalt_tasks.core.addresses import sort_key
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import hosts, ports
from cobalt_tasks.hosts import notes
from cobalt_tasks.hosts.notes import Note
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import scoring
from cobalt_tasks.threat import store as findings
from cobalt_tasks.threat.findings import finding
from tests.integration.alerts.conftest import Write
from tests.support.webhooks import webhook

RULE = '[[rules]]\nname = "exposed"\nsend_to = ["soar"]\ngroup = "0s"\n'
HOUR = 3600.0
Rules = Callable[..., Path]


def test_a_new_finding_is_one_message(database: Database, rules: Rules, opened: Write) -> None:
    """A rule over findings sends what scoring finds, once, where its query holds, and no changes; what stays is not new.

    Break: the comparison with what is stored in `host_scores._store`, or `of_findings.matching`.
    """
    with webhook() as server:
        home = rules(
            server, RULE + 'findings = ["cleartext_service"]\nquery = "net:192.0.2.0/24"\nseverity = "critical"'
        )
        evaluate.evaluate(database, home)
        opened(database, 21)
        known = {"protocol": "tcp", "first_seen": time.time(), "last_seen": time.time(), "service": "ftp"}
        for address, port in (("192.0.2.1", 21), ("192.0.2.1", 22), ("198.51.100.1", 21)):
            with database.writing() as connection:
                if port == 21:
                    span = {"first_seen": 1.0, "last_seen": 1.0, "discovered": True}
                    connection.execute(insert(hosts).values(address=address, address_key=sort_key(address), **span))
                connection.execute(insert(ports).values(address=address, port=port, **known))
        for _ in range(2):
            scoring.score_again(database, ["192.0.2.1", "198.51.100.1"], threat.load(home))
            evaluate.evaluate(database, home)
            sending.send_due(database, home)
    ((_, body),) = server.requests
    document = json.loads(body)
    assert (document["count"], document["severity"]) == (2, "critical")
    assert [(item["kind"], item["new"], item["address"], item["port"]) for item in document["items"]] == [
        ("finding", "cleartext_service", "192.0.2.1", 21),
        ("finding", "cleartext_service", "192.0.2.1", 22),
    ]
    assert "192.0.2.1: ftp is open at tcp/21, without encryption (cleartext_service, 0.2 points)" in body.decode()
    found = evaluate.preview(database, home, time.time() - HOUR)
    assert found["exposed"][0] == 2


def test_findings_without_rules_wait_for_none(database: Database, rules: Rules) -> None:
    """What is found before the first rule over findings is passed over, and one that a note accepts is in no message."""
    with webhook() as server:
        home = rules(server, RULE)
        with database.writing() as connection:
            findings.announce(connection, [("192.0.2.1", "risky_port", "tcp/22")])
        evaluate.evaluate(database, home)
        rules(server, RULE + 'findings = ["*"]')
        evaluate.evaluate(database, home)
        accepted = Note(
            about=notes.FINDING,
            address="192.0.2.2",
            kind="risky_port",
            subject="",
            reason="known",
            author="a",
            created_at=1.0,
        )
        with database.writing() as connection:
            found = finding("192.0.2.2", "risky_port", "tcp/22", 0.3, "scan", time.time(), "tcp/22 is open")
            findings.add(connection, [found], "1")
            notes.add(connection, accepted)
            findings.announce(connection, [findings.key(found)])
        assert evaluate.evaluate(database, home) == 1
    with database.reading() as connection:
        assert outbox.page(connection, 10) == []
