"""Counts of everything that are made again and again, in small steps, so that no request counts millions of rows."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Column, select

from cobalt_tasks.db import counts
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import hosts, ports

SECONDS: Final = 0.3
FRESH_SECONDS: Final = 30.0
"""Younger counts are not made anew."""

_SHARE: Final = 0.02
"""Of one processor, at most: the larger the ledger, the rarer it is counted."""

_GROWN: Final = 0.05
"""The part by which a ledger differs from the one that was counted, so that its counts mislead."""

_SHARE_WHEN_GROWN: Final = 0.1


class Recounting:
    """Counts further with every call."""

    def __init__(self, steps: Callable[[Database], Iterator[None]], age: Callable[[Database], float | None]) -> None:
        """Start at the first call.

        Args:
            steps: counts everything once, and yields after each step.
            age: returns how old the counts are, in seconds; None where there are none.

        """
        self._count = steps
        self._age = age
        self._steps: Iterator[None] | None = None
        self._began_with = 0
        self._spent = 0.0
        self._ended: float | None = None

    def refresh(self, database: Database, seconds: float = SECONDS) -> bool:
        """Count on, or start anew where the counts are old.

        Args:
            database: the ledger.
            seconds: after which no further step is done.

        Returns:
            Whether something is left to count.

        """
        began = time.monotonic()
        if self._steps is None:
            if not self._is_due(database):
                return False
            self._began_with = _size(database)
            self._steps, self._spent = self._count(database), 0.0
        try:
            for _ in self._steps:
                if time.monotonic() - began >= seconds:
                    self._spent += time.monotonic() - began
                    return True
        except BaseException:
            # A generator that raised is over; the next call starts anew.
            self._steps = None
            raise
        self._steps = None
        self._spent += time.monotonic() - began
        self._ended = time.monotonic()
        return False

    def _is_due(self, database: Database) -> bool:
        """Return whether the pause is over that keeps to the share of a processor, here and in other processes."""
        paused = math.inf if self._ended is None else time.monotonic() - self._ended
        least, usual = (max(FRESH_SECONDS, self._spent / share) for share in (_SHARE_WHEN_GROWN, _SHARE))
        if paused < least:
            return False
        age = self._age(database)
        # A clock that was stepped back makes it negative.
        waited = paused if age is None or age < 0 else min(paused, age)
        return waited >= usual or (waited >= least and self._has_grown(database))

    def _has_grown(self, database: Database) -> bool:
        return abs(_size(database) - self._began_with) > _GROWN * self._began_with


def _size(database: Database) -> int:
    """Return how many hosts, ports and located hosts there are: what a load of scans or captures adds first."""
    with database.reading() as connection:
        rows = sum(counts.table_size(connection, each) for each in (hosts, ports))
        return rows + counts.covered(connection)


def spans(database: Database, key: Column[Any], size: int) -> Iterator[tuple[str, str | None]]:
    """Yield (after, last) of some rows after the others: those whose key is above `after` and not above `last`.

    Args:
        database: the ledger, which may grow meanwhile.
        key: texts, by which an index finds the rows.
        size: rows of one span; the last span has less, and None for `last`.

    """
    after = ""
    while True:
        with database.reading() as connection:
            following = select(key).where(key > after).order_by(key)
            last = connection.execute(following.offset(size - 1).limit(1)).scalar()
        yield after, last
        if last is None:
            return
        after = last
