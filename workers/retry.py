"""Repeats a write to the ledger until the database answers."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.core.timeouts import LEASE_SECONDS

T = TypeVar("T")


def until_database_answers(write: Callable[[], T]) -> T:
    """Call `write` until the database answers, for `LEASE_SECONDS` at most; return its result.

    A claim can hold that long, and its token makes a repeated write safe. Between two calls it waits 0.2 to 0.8 s.

    Raises:
        DatabaseUnavailableError: the database did not answer in that time.

    """
    give_up_at = time.monotonic() + LEASE_SECONDS
    while True:
        try:
            return write()
        except DatabaseUnavailableError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(random.uniform(0.2, 0.8))  # noqa: S311
