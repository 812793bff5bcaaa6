"""What the program keeps about itself: counts, cursors, clocks, locks, rounds, starts of processes."""

from sqlalchemy import BigInteger, Column, Double, Integer, PrimaryKeyConstraint, Table, Text

from cobalt_tasks.db.tables.base import RowId, metadata

# How far something that reads the ledger in order has come.
cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    # An id, or microseconds since the epoch.
    Column("position", BigInteger, nullable=False),
)

# How many rows there are, kept by triggers and writers (db/counts.py); the sum over the slots counts.
counts = Table(
    "counts",
    metadata,
    Column("name", Text, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", "slot"),
)

# How many connections came in within each minute, hour and day (its first second, UTC), by protocol: those of hours and days
# stay when the connections go. Like `counts`, the sum over the slots counts.
traffic_counts = Table(
    "traffic_counts",
    metadata,
    Column("span", Text, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("connections", BigInteger, nullable=False),
    PrimaryKeyConstraint("span", "start", "protocol", "slot"),
)

# How many bytes the ledger took on disk, on each day (since the epoch).
ledger_sizes = Table(
    "ledger_sizes",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
)

# How far a machine's monotonic clock is behind the steady clock, in seconds; and, in the row without a name, how far the
# steady clock is behind the database's, which may be stepped. See `db/clocks.py`.
clocks = Table(
    "clocks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("ahead", Double, nullable=False),
    Column("checked_at", Double, nullable=False),
    Column("doubted", Double),
    Column("stepped_at", Double),
    Column("step", Double),
)

locks = Table(
    "locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("held_until", Double, nullable=False),
)

# How the periodic rounds went: the sweep, the upkeep.
rounds = Table(
    "rounds",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("failures", Integer, nullable=False),
    Column("reason", Text),
)

# Starts of processes that are watched, of the last minutes: many of one name are a process that does not stay up.
starts = Table(
    "starts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", Text),
)
