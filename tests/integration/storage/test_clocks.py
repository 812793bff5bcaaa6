"""The steady clock, and what is mended after the database's clock was set back."""

import itertools
import time

import pytest
from sqlalchemy import event, select, update

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.clock import Moment
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db import clocks, cursors
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import freshness as facts
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import clock_repair, creation, freshness, reaper
from cobalt_tasks.threat import unscored

NUMBERS = itertools.count(1)


def steady(database: Database, at: Moment) -> float | None:
    """Return the steady clock by a machine's own."""
    return database.write(clocks.steady, at)


def test_clocks_that_agree_go_on(database: Database) -> None:
    """Two machines that were started at different times have the same steady clock, close to the time of day."""
    database.write(clocks.record, Moment("sweeps", 50.0))
    seen = [steady(database, Moment("sweeps", 50.0)), steady(database, Moment("other", 999.0))]
    assert all(each is not None and abs(each - time.time()) < 5 for each in seen)


def test_a_step_counts_for_every_machine_once_a_sweep_has_seen_it(database: Database) -> None:
    """The database's clock moves on by a day against all monotonic clocks: no steady clock does.

    Break: the drift in clocks.steady, or `ahead` in clocks.record.
    """
    machines = ("sweeps", "other")
    for name in machines:
        database.write(clocks.record, Moment(name, 200_000.0))
    before = steady(database, Moment("other", 200_000.0))
    assert before is not None
    # A day earlier by their own clocks: as if the database's had been set a day ahead.
    assert steady(database, Moment("other", 200_000.0 - DAY)) is None
    assert database.write(clocks.observe, Moment("sweeps", 200_000.0 - DAY)).step > DAY - 5
    database.write(clocks.record, Moment("sweeps", 200_000.0 - DAY))
    after = steady(database, Moment("other", 200_000.0 - DAY))
    assert after is not None
    assert abs(after - (before - DAY)) < 5
    seen = database.write(clocks.observe, Moment("sweeps", 200_000.0 - DAY))
    assert (seen.step, seen.is_trusted) == (0.0, False)
    assert database.write(clocks.observe, Moment("sweeps", 200_000.0 - DAY + 2 * HOUR)).step > -3 * HOUR


def test_a_machine_that_was_paused_follows_the_others(database: Database) -> None:
    """One whose own clock stood still is not believed, and asks again after the next sweep. Break: `doubted`."""
    for name in ("sweeps", "paused"):
        database.write(clocks.record, Moment(name, 100.0))
    assert steady(database, Moment("paused", -500.0)) is None
    assert steady(database, Moment("paused", -500.0)) is None
    time.sleep(0.05)
    database.write(clocks.record, Moment("sweeps", 100.05))
    found = steady(database, Moment("paused", -500.0))
    assert found is not None
    assert abs(found - time.time()) < 5


def test_an_old_doubt_is_not_about_the_next_step(database: Database) -> None:
    """A machine saw a step that was undone; sweeps go on; the next step is not believed before a sweep has seen it.

    Break: leave the doubt in clocks.steady when the clocks agree again.
    """
    for name in ("sweeps", "other"):
        database.write(clocks.record, Moment(name, 200_000.0))
    assert steady(database, Moment("other", 200_000.0 - DAY)) is None
    time.sleep(0.05)
    database.write(clocks.record, Moment("sweeps", 200_000.05))
    assert steady(database, Moment("other", 200_000.05)) is not None
    assert steady(database, Moment("other", 200_000.05 - DAY)) is None


def make(database: Database, *, ahead: float, pause: float = 0.0) -> int:
    """Make a job as if it had been made while the clock was so far ahead; return its number."""
    address = f"192.0.2.{next(NUMBERS)}"
    database.write(creation.create, [NewJob(kind="domain", address=address)])
    moment = time.time() + ahead
    with database.writing() as connection:
        (number,) = connection.execute(select(table.c.id).order_by(table.c.id.desc()).limit(1)).one()
        connection.execute(
            update(table).where(table.c.id == number).values(created_at=moment, not_before=moment + pause)
        )
    return int(number)


def due_in(database: Database, number: int) -> float:
    """Return in how many seconds a job is due."""
    with database.reading() as connection:
        found = connection.execute(select(table.c.not_before).where(table.c.id == number)).scalar_one()
    return float(found) - time.time()


def test_jobs_from_the_future_are_due_when_they_would_have_been(database: Database) -> None:
    """A pause lasts as long as it was to last, and what had none is due at once, sent or not; the rest is left alone.

    Break: clock_repair._mend_jobs.
    """
    at_once, later, sent = (
        make(database, ahead=HOUR),
        make(database, ahead=HOUR, pause=60.0),
        make(database, ahead=HOUR),
    )
    paused = make(database, ahead=-10, pause=100.0)
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.id == sent).values(state="sent", sent_at=time.time() + HOUR))
    assert clock_repair.mend(database, 10.0)
    assert due_in(database, at_once) <= 0
    assert 50 < due_in(database, later) <= 60
    assert due_in(database, sent) <= 0
    assert 80 < due_in(database, paused) <= 90
    with database.reading() as connection:
        states = dict(connection.execute(select(table.c.id, table.c.state)).all())
    assert states[sent] == "pending"


@pytest.mark.parametrize(("step", "is_due"), [(10.0, False), (-10.0, True)])
def test_the_sweep_notices_a_step_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: float, is_due: bool
) -> None:
    """Forward or back, it is logged and remembered by the sweep that sees it, and the next sees none. After a step back, what
    lies ahead is mended, for it may have been written before.

    Break: `else True` or `if may_be_ahead` in reaper.look_at_clock, or the `clocks.record` behind it.
    """

    def look(seconds: float) -> None:
        monkeypatch.setattr(clocks.clock, "since_boot", lambda: Moment("sweeps", seconds))
        assert reaper.look_at_clock(database)

    look(200_000.0)
    assert caplog.records == []
    ahead = make(database, ahead=HOUR)
    for _ in range(2):
        look(200_000.0 - step)
        assert len(caplog.records) == 1, caplog.text
    assert (due_in(database, ahead) <= 0) is is_due
    assert database.write(clocks.observe).step == 0.0


def test_no_fact_and_no_pause_outlasts_its_kind(database: Database) -> None:
    """What is fresh or paused until a time that is too far away is so from now on at the most. Break: freshness._pauses."""
    values = {"kind": "domain", "address": "192.0.2.1", "protocol": "", "port": 0}
    with database.writing() as connection:
        connection.execute(
            facts.insert().values(**values, fresh_until=time.time() + 3 * DAY, paused_until=time.time() + DAY)
        )
    assert clock_repair.mend(database, 10.0)
    with database.reading() as connection:
        (until,) = connection.execute(select(facts.c.fresh_until)).one()
        assert not connection.execute(select(freshness.is_paused(facts, time.time()))).scalar()
    assert 0.9 * DAY < until - time.time() <= DAY


def test_many_facts_are_mended_in_short_transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page for each, many that are stale at one time too; what is paused for longer keeps none of them from its turn.

    Break: mend all facts of a kind in one statement.
    """
    monkeypatch.setattr(clock_repair, "_AT_ONCE", 10)
    row = {"kind": "domain", "protocol": "", "port": 0}
    far = time.time() + 3 * DAY
    rows = [{**row, "address": f"9.9.9.{n}", "fresh_until": far + n // 15, "paused_until": None} for n in range(45)]
    rows += [{**row, "address": f"9.9.8.{n}", "fresh_until": None, "paused_until": far + n} for n in range(25)]
    with database.writing() as connection:
        connection.execute(facts.insert(), rows)
    transactions = []
    event.listen(database.engine, "commit", transactions.append)
    assert clock_repair.mend(database, 10.0)
    steps = len(clock_repair._selections()) + len(KINDS) + 1
    assert 4 <= len(transactions) - steps <= 6
    with database.reading() as connection:
        ends = connection.execute(select(facts.c.fresh_until).where(facts.c.fresh_until.is_not(None))).scalars().all()
    assert len(ends) == 45
    assert max(ends) <= time.time() + DAY


def test_a_reader_does_not_wait_for_a_time_it_has_read(database: Database) -> None:
    """The ends of jobs are read by their time: after a step back, from now on; what it has not read yet, it still reads.

    Break: compare the cursor, which counts microseconds, with seconds.
    """
    for moment, kept in ((time.time() - HOUR, True), (time.time() + DAY, False)):
        database.write(cursors.move_to_moment, unscored.ENDED, moment)
        assert clock_repair.mend(database, 10.0)
        with database.reading() as connection:
            found = cursors.moment(connection, unscored.ENDED)
        assert abs(found - (moment if kept else time.time())) < HOUR / 2
