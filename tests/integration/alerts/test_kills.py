"""Alerts while their senders are killed and their receiver fails, hangs and resets."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import alerts
from tests.integration.alerts.conftest import Write
from tests.support.waiting import wait_until
from tests.support.webhooks import at_times, webhook

ROOT = Path(__file__).parents[3]
RULE = '[[rules]]\nname = "new ports"\nsend_to = ["soar"]\ngroup = "0s"\nlines = 200\n'
KILLS = 5
CHANGES = 36


def test_every_alert_arrives_through_kills_and_a_failing_receiver(
    database: Database, rules: Callable[..., Path], opened: Write
) -> None:
    """Each change is in one message, by its key; a message comes again only after a kill, or where its answer was lost."""
    chance = random.Random(20261127)
    with webhook() as server:
        server.behaviour = at_times(7)
        home = rules(server, RULE)
        senders: list[subprocess.Popen[bytes]] = []
        ports = iter(range(1, CHANGES + 1))
        try:
            for number in range(KILLS + 1):
                command = [sys.executable, "-m", "tests.support.alert_sender", str(home)]
                senders.append(subprocess.Popen(command, cwd=ROOT))
                tried = len(server.requests)
                for _ in range(CHANGES // (KILLS + 1)):
                    opened(database, next(ports))
                wait_until(lambda before=tried: len(server.requests) > before + 2)
                if number < KILLS:
                    time.sleep(chance.uniform(0.0, 0.1))
                    senders[-1].kill()
                    senders[-1].wait()
            for port in ports:
                opened(database, port)
            server.behaviour = lambda: 200

            def is_done() -> bool:
                with database.reading() as connection:
                    return (
                        connection.execute(select(alerts.c.id).where(alerts.c.state != "sent")).first() is None
                        and sum(body["count"] for body in server.bodies.values()) >= CHANGES
                    )

            wait_until(is_done)
        finally:
            for sender in senders:
                sender.kill()
                sender.wait()
    arrived = sorted(item["port"] for body in server.bodies.values() for item in body["items"])
    assert arrived == list(range(1, CHANGES + 1))
    with database.reading() as connection:
        written = connection.execute(select(alerts.c.key)).scalars().all()
    assert set(written) == set(server.accepted)
    # What was accepted again: its answer was reset, or its sender was killed before it noted the answer.
    unanswered = server.late_resets + KILLS
    assert sum(server.accepted.values()) - len(written) <= unanswered
