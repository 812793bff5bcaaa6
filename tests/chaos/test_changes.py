"""`cobalt chaos` while generations of scans in many formats are read, some cut, failed, partial or repeated, their ingest
killed throughout: the changes in the ledger are those that a model of the rules finds, each once, and a webhook got an alert
of each.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from cobalt_tasks.alerts import evaluate
from cobalt_tasks.chaos.faults import Faults
from cobalt_tasks.chaos.stack import DatabaseName, Stack, running
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import alerts, cursors
from cobalt_tasks.db.tables import changes as changes_table
from cobalt_tasks.hosts import changes
from tests.support.scan_reports import Scan, written
from tests.support.scanned_world import SITES, Fact, Model, World
from tests.support.waiting import wait_until
from tests.support.webhooks import Webhook, at_times, webhook

pytestmark = pytest.mark.long

GENERATIONS = int(os.environ.get("GENERATIONS", "3"))
"""`make test-changes` does 20."""

KILLS, TRIES = 2, 50
REPEATED = 0.1
FOREVER = float("inf")
BETWEEN_FAULTS = (1.0, 3.0)
OWN_KINDS = {"score changed"}
"""Changes that the workers find, and the model does not."""

RULE = """
[receivers.soar]
webhook = "{url}"

[[rules]]
name = "everything"
send_to = ["soar"]
group = "0s"
"""


class Storm:
    """Reads files while the stack that reads them is struck by faults."""

    def __init__(self, stack: Stack, draw: random.Random) -> None:
        """Strike nothing yet; `draw` draws faults and kills."""
        self.faults = Faults(stack, draw)
        self.kills = 0
        self._stack, self._draw = stack, draw
        self._usual = 0.0
        self._strike_at = 0.0

    def ingest(self, path: Path, scan: Scan) -> None:
        """Read a file to its end, and kill the reading twice before: within the time that a whole one takes."""
        moments = [self._draw.uniform(0.1, 1.0) * self._usual for _ in range(KILLS if self._usual else 0)]
        for moment in [*moments, *[FOREVER] * TRIES]:
            began = time.monotonic()
            if self._read(path, scan, began + moment) == 0:
                passed = time.monotonic() - began
                self._usual = min(self._usual or passed, passed)
                return
        raise AssertionError(f"{path.name} is not read: {self._stack.last_words('producer')}")

    def calm(self) -> None:
        """End every fault, and go on without any."""
        self._strike_at = FOREVER
        self.faults.resume_due(at_once=True)

    def tick(self) -> None:
        """Start what has ended again, end faults that are due, and strike when it is time."""
        self._stack.tend()
        self.faults.resume_due()
        if time.monotonic() > self._strike_at:
            self.faults.strike()
            self._strike_at = time.monotonic() + self._draw.uniform(*BETWEEN_FAULTS)
        time.sleep(0.02)

    def _read(self, path: Path, scan: Scan, kill_at: float) -> int:
        reading = self._stack.produce([str(path)], [] if scan.names_hosts else ["--covers", scan.coverage])
        while (code := reading.exit_code()) is None:
            if time.monotonic() > kill_at:
                reading.kill()
                self.kills, kill_at = self.kills + 1, FOREVER
            self.tick()
        return code


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_changes_are_those_of_the_model(kind: DatabaseName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change and its alert once, and no other, over generations of scans; 20 make 10,000 changes and more."""
    # The times in nmap's text are local.
    monkeypatch.setenv("TZ", "UTC")
    # Faults are drawn apart, as their number depends on the machine.
    draw = random.Random(14)
    world, model, sources = World(draw), Model(), 0
    with webhook() as server, running(kind, keep=False) as (stack, _, _):
        database = Database(stack.url)
        alert_of_everything(stack.folder, server, database)
        storm = Storm(stack, random.Random(15))
        for generation in range(GENERATIONS):
            for site in range(SITES):
                scan = world.scan(site, generation)
                text = written(scan, draw)
                for copy in range(2 if draw.random() < REPEATED else 1):
                    sources += 1
                    path = tmp_path / f"{generation}-{site}-{copy}"
                    path.write_text(text)
                    storm.ingest(path, scan)
                    model.read(scan, sources)
            world.step()
        storm.calm()
        receive_all(database, server, storm.tick)
        found = facts(database)
        database.dispose()
    print(f"{found.total():,} changes, {sources} inputs, {storm.kills} kills, faults {storm.faults.by_name()}")  # noqa: T201
    missing, other = model.found - found, found - model.found
    assert (sorted(missing.items(), key=repr)[:20], sorted(other.items(), key=repr)[:20]) == ([], [])
    assert storm.kills >= GENERATIONS
    assert GENERATIONS < 20 or found.total() >= 10_000


def alert_of_everything(home: Path, server: Webhook, database: Database) -> None:
    """Write a rule that sends every change to the webhook, which refuses and resets at times; wait until it is in force.

    Until its first evaluation, a clock that is set back makes what is recorded look older than the rule.
    """
    file = home / "alerts.toml"
    file.touch(0o600)
    file.write_text(RULE.format(url=server.url))
    # Seldom: ten failures in a row, which make a message dead, must not come by chance.
    server.behaviour = at_times(7, good=16)

    def is_in_force() -> bool:
        with database.reading() as connection:
            return (
                connection.execute(select(cursors.c.name).where(cursors.c.name == evaluate.CURSOR)).first() is not None
            )

    wait_until(is_in_force, "the rule is in force")


def receive_all(database: Database, server: Webhook, tick: Callable[[], None]) -> None:
    """Wait until each message that the ledger has is with the webhook; check that they are about each change once."""
    server.behaviour = lambda: 200

    def is_received() -> bool:
        tick()
        with database.writing() as connection:
            # The pauses after failures may be long.
            connection.execute(update(alerts).where(alerts.c.state == "pending").values(due_at=0.0))
            total = connection.execute(select(func.count()).select_from(changes_table)).scalar_one()
            sent = connection.execute(select(func.sum(alerts.c.count)).where(alerts.c.state == "sent")).scalar_one()
        return sent == total

    def unsent() -> list[object]:
        with database.reading() as connection:
            waiting = select(alerts).where(alerts.c.state != "sent")
            return [{**row, "items": ""} for row in connection.execute(waiting).mappings()]

    wait_until(is_received, "all alerts are sent", seconds=300, seen=unsent)
    with database.reading() as connection:
        counts = {row.key: row[1] for row in connection.execute(select(alerts.c.key, alerts.c.count))}
    assert {key: body["count"] for key, body in server.bodies.items()} == counts


def facts(database: Database) -> Counter[Fact]:
    """Return the changes in the ledger, as the model has them; without those that the workers find."""
    found: Counter[Fact] = Counter()
    after = 0
    while True:
        with database.reading() as connection:
            rows = changes.page(connection, 10_000, after=after)
        for row in rows:
            kind, details = row["kind"], row["details"]
            if kind == "networks scanned":
                found[kind, details["hosts"], details["ports"]] += 1
            elif kind == "host found":
                found[kind, row["address"], details["count"]] += 1
            elif kind not in OWN_KINDS:
                found[kind, row["address"], row["port"], int(row["observed_at"])] += 1
        if len(rows) < 10_000:
            return found
        after = rows[-1]["id"]
