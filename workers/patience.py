"""Writes to the ledger again while it is away."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.core.timeouts import LEASE_SECONDS

T = TypeVar("T")


def patiently(write: Callable[[], T]) -> T:
    """Write, once more and again while the database is away, as long as a claim can hold: its token makes that safe.

    Raises:
        DatabaseUnavailableError: it stayed away.

    """
    give_up_at = time.monotonic() + LEASE_SECONDS
    while True:
        try:
            return write()
        except DatabaseUnavailableError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(random.uniform(0.2, 0.8))  # noqa: S311
