"""Claims whose worker is lost, without waiting for their lease."""

import uuid

from cobalt_tasks.core.clock import Moment
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import leases


def reap(database: Database, *, after: float) -> int:
    """Look at the claims twice, `after` seconds apart by a clock of its own; return how many jobs that took back."""
    name = uuid.uuid4().hex
    assert database.write(leases.reap, Moment(name, 100.0)) == 0
    return database.write(leases.reap, Moment(name, 100.0 + after))
