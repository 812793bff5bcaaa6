"""Counts of everything that are made again and again, in small steps, so that no request counts millions of rows."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Column, select

from cobalt_tasks.db.engine import Database

SECONDS: Final = 0.3
STALE_SECONDS: Final = 600.0
"""Older counts are made anew."""

_SHARE: Final = 0.02
"""Of one processor, at most: the larger the ledger, the rarer it is counted."""


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
        self._spent = 0.0
        self._due = -STALE_SECONDS

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
            if began < self._due or not self._is_stale(database):
                return False
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
        self._due = time.monotonic() + max(STALE_SECONDS, self._spent / _SHARE)
        return False

    def _is_stale(self, database: Database) -> bool:
        age = self._age(database)
        # A clock that was stepped back makes it negative.
        return age is None or not 0 <= age < STALE_SECONDS


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
