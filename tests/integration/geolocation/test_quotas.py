"""Budgets and breakers, shared through the database."""

import threading
import time

import pytest
from sqlalchemy import select, update

from cobalt_tasks.core.providers import Limit
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import breakers
from cobalt_tasks.db.tables import quotas as table
from cobalt_tasks.geolocation import quotas
from cobalt_tasks.geolocation.limits import NO_HEADERS, RateLimitHeaders
from cobalt_tasks.geolocation.quotas import Reservation
from tests.support.waiting import PATIENCE

MINUTE = (Limit(window=60.0, calls=15),)


def reserve(database: Database, limits: tuple[Limit, ...] = MINUTE, wanted: int = 1) -> Reservation | None:
    """Reserve in a transaction of its own."""
    return database.write(lambda c: quotas.reserve(c, "p", limits, wanted, 5.0))


def capacity(database: Database, limits: tuple[Limit, ...] = MINUTE) -> int | None:
    """Return what is left."""
    with database.reading() as connection:
        return quotas.capacity(connection, "p", limits)


def pass_time(database: Database, seconds: float) -> None:
    """Let the rows grow older, as if the clock had moved."""
    with database.writing() as connection:
        connection.execute(update(table).values(resets_at=table.c.resets_at - seconds))
        connection.execute(update(breakers).values(open_until=breakers.c.open_until - seconds))


def test_a_window_gives_what_it_has_and_no_more(database: Database) -> None:
    """The sixteenth of fifteen calls is refused, until the window has ended."""
    assert all(reserve(database) for _ in range(15))
    assert reserve(database) is None
    assert capacity(database) == 0
    pass_time(database, 61)
    assert capacity(database) == 15
    assert reserve(database)
    assert capacity(database) == 14


def test_many_at_once_never_take_more_than_there_is(database: Database) -> None:
    """Eight threads that reserve as fast as they can get fifteen calls between them: invariant 5 of docs/architecture.md.

    Break: `if calls <= 0` in quotas.reserve.
    """
    got: list[Reservation] = []

    def take() -> None:
        got.extend(reservation for _ in range(6) if (reservation := reserve(database)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(got) == 15


def test_the_narrower_of_two_windows_decides(database: Database) -> None:
    """Per minute and per day both hold; what the day has left is what the minute may give."""
    limits = (Limit(window=60.0, calls=10), Limit(window=86400.0, calls=12))
    assert reserve(database, limits, 10).calls == 10  # type: ignore[union-attr]
    pass_time(database, 61)
    assert reserve(database, limits, 10).calls == 2  # type: ignore[union-attr]
    assert reserve(database, limits, 1) is None


def test_what_was_not_needed_comes_back(database: Database) -> None:
    """Calls given back are there for others."""
    reservation = reserve(database, MINUTE, 10)
    assert reservation
    database.write(lambda c: quotas.release(c, reservation, 4))
    assert capacity(database) == 9


def test_the_providers_word_closes_the_door_as_long_as_it_says(database: Database) -> None:
    """X-Rl 0 and X-Ttl 20 mean nobody until the last of 20 seconds has ended, and everybody after that."""
    reservation = reserve(database)
    assert reservation
    database.write(lambda c: quotas.apply_headers(c, reservation, RateLimitHeaders(remaining=0, resets_in=20.0)))
    assert reserve(database) is None
    pass_time(database, 20)
    assert reserve(database) is None
    pass_time(database, 1)
    assert reserve(database)


def test_a_word_never_gives_more_than_we_believe(database: Database) -> None:
    """Other calls are still on their way: what the provider has not seen yet is spent all the same."""
    for _ in range(9):
        reserve(database)
    last = reserve(database)
    assert last
    database.write(lambda c: quotas.apply_headers(c, last, RateLimitHeaders(remaining=14, resets_in=60.0)))
    assert capacity(database) == 5


@pytest.mark.parametrize("said", [1e9, 61.0])
def test_no_word_closes_the_door_for_longer_than_a_window(database: Database, said: float) -> None:
    """A provider that says "come back in thirty years" is asked again after its window."""
    reservation = reserve(database)
    assert reservation
    database.write(lambda c: quotas.apply_headers(c, reservation, RateLimitHeaders(remaining=0, resets_in=said)))
    pass_time(database, 60)
    assert reserve(database)


def test_a_second_that_was_cut_off_opens_no_door_early(database: Database) -> None:
    """Whatever an answer that came late made of the end, an answer that came at once does not make it too early."""
    reservation = reserve(database)
    assert reservation
    # The end is 28.9 seconds away: the first answer was on its way for two seconds, the second came at once.
    began = time.monotonic()
    for said in (30.0, 28.0):
        database.write(
            lambda c, s=said: quotas.apply_headers(c, reservation, RateLimitHeaders(remaining=0, resets_in=s))
        )
    pass_time(database, 28.1)
    # A busy machine may need what is left of that second itself.
    assert reserve(database) is None or time.monotonic() - began > 0.8
    pass_time(database, 1.0)
    assert reserve(database)


def test_a_late_word_says_nothing_about_the_next_window(database: Database) -> None:
    """An answer that arrives when a new window has begun does not close that one."""
    late = reserve(database)
    assert late
    pass_time(database, 61)
    assert reserve(database)
    database.write(lambda c: quotas.apply_headers(c, late, RateLimitHeaders(remaining=0, resets_in=1.0)))
    assert capacity(database) == 14


def test_a_call_without_an_answer_may_have_been_counted_as_late_as_now(database: Database) -> None:
    """After a time-out the window lasts its whole length from now, so that the provider's has surely ended."""
    reservation = reserve(database)
    assert reservation
    pass_time(database, 30)
    database.write(lambda c: quotas.apply_headers(c, reservation, NO_HEADERS))
    with database.reading() as connection:
        left = connection.execute(select(table.c.resets_at)).scalar_one() - time.time()
    assert left == pytest.approx(60, abs=5)


def test_a_breaker_keeps_everybody_away_then_lets_one_try(database: Database) -> None:
    """After the pause one call goes through, the others wait for what comes of it."""
    first = reserve(database)
    assert first
    database.write(lambda c: quotas.record_failure(c, first, "refused", lambda failures: 10.0 * failures))
    assert reserve(database) is None
    assert capacity(database) == 0
    pass_time(database, 11)
    assert capacity(database) == 1
    trial = reserve(database)
    assert trial
    assert trial.is_trial
    assert reserve(database) is None
    database.write(lambda c: quotas.record_success(c, trial))
    assert reserve(database)
    assert reserve(database)


def test_a_failed_trial_doubles_the_pause_and_calls_that_fail_together_are_one(database: Database) -> None:
    """The pause grows with failures in a row, not with the number of workers that had one call each."""
    together = [reserve(database), reserve(database), reserve(database)]
    pauses: list[int] = []

    def fail(reservation: Reservation | None) -> None:
        def pause(failures: int) -> float:
            pauses.append(failures)
            return 10.0

        assert reservation
        database.write(lambda c: quotas.record_failure(c, reservation, "refused", pause))

    for reservation in together:
        fail(reservation)
    assert pauses == [1]
    pass_time(database, 11)
    fail(reserve(database))
    assert pauses == [1, 2]


def test_a_trial_whose_worker_died_is_followed_by_another(database: Database) -> None:
    """Nobody waits for ever for the end of a call that has none."""
    first = reserve(database)
    assert first
    database.write(lambda c: quotas.record_failure(c, first, "refused", lambda _: 1.0))
    pass_time(database, 2)
    assert reserve(database)
    assert reserve(database) is None
    pass_time(database, 6)
    assert reserve(database)


def test_a_provider_without_limits_still_has_a_breaker(database: Database) -> None:
    """Paid service: any number of calls, none while it fails."""
    assert capacity(database, ()) is None
    reservation = reserve(database, ())
    assert reservation
    database.write(lambda c: quotas.record_failure(c, reservation, "refused", lambda _: 10.0))
    assert reserve(database, ()) is None
    assert capacity(database, ()) == 0
