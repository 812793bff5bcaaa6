"""Jobs, the freshness of their facts, and the leases of claims."""

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    literal_column,
    text,
)

from cobalt_tasks.core.records import State
from cobalt_tasks.db.tables.base import RowId, metadata

ACTIVE = "state IN ('pending', 'sent', 'running')"

SENDABLE = "state = 'pending' AND waits_for IS NULL"

WAITING = "state = 'pending' AND waits_for IS NOT NULL"

FINISHED = "finished_at IS NOT NULL"

KIND_STATE = "(kind || ' ' || state)"

NOT_PENDING = "state <> 'pending'"

jobs = Table(
    "jobs",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    # Waits for something shared (a provider's quota): dispatch leaves it to the worker that reserves a call.
    Column("waits_for", Text),
    # A reaped job is isolated (a batch of one); only isolated runs count as attempts.
    Column("isolated", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("claim", Text),
    # The seconds a claim holds without being renewed, and how often it was.
    Column("lease", Double, nullable=False, server_default="0"),
    Column("renewals", Integer, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    # When it was sent last; of a job that was tried before and waits, when it was put back.
    Column("sent_at", Double),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("outcome", Text),
    Column("detail", Text),
    # Not by kind first: a planner would take it for the others when its statistics are old.
    Index(
        "uq_jobs_active",
        "address",
        "kind",
        "protocol",
        "port",
        unique=True,
        sqlite_where=text(ACTIVE),
        postgresql_where=text(ACTIVE),
    ),
    Index(
        "ix_jobs_sendable",
        "kind",
        "level",
        "not_before",
        sqlite_where=text(SENDABLE),
        postgresql_where=text(SENDABLE),
    ),
    Index(
        "ix_jobs_waiting",
        "waits_for",
        "level",
        "not_before",
        sqlite_where=text(WAITING),
        postgresql_where=text(WAITING),
    ),
    Index(
        "ix_jobs_sent",
        "kind",
        "level",
        "sent_at",
        sqlite_where=text("state = 'sent'"),
        postgresql_where=text("state = 'sent'"),
    ),
    Index(
        "ix_jobs_claim",
        "claim",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    Index("ix_jobs_address", "address"),
    Index("ix_jobs_finished_at", "finished_at", sqlite_where=text(FINISHED), postgresql_where=text(FINISHED)),
    # For lists of jobs. An expression, so that no planner takes it for the statements of the state machine. Not of pending
    # jobs: input makes those.
    Index(
        "ix_jobs_kind_state_id",
        text(KIND_STATE),
        "id",
        sqlite_where=text(NOT_PENDING),
        postgresql_where=text(NOT_PENDING),
    ),
)


def written(state: State) -> ColumnElement[str]:
    """Return a state as it stands in SQL: an index of some states serves where they are written out, not for parameters."""
    return literal_column(f"'{state.value}'")


def is_in(state: State) -> ColumnElement[bool]:
    """Return the condition that a job is in a state, in the form that uses the index of that state."""
    return jobs.c.state == written(state)


STALE_AT = "(CASE WHEN paused_until > fresh_until THEN paused_until ELSE fresh_until END)"
"""When a fact is to be asked for again: once it is stale and its target is not paused; NULL for one never known."""

freshness = Table(
    "freshness",
    metadata,
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("fresh_until", Double),
    Column("paused_until", Double),
    PrimaryKeyConstraint("kind", "address", "protocol", "port"),
    Index("ix_freshness_kind_due", "kind", text(STALE_AT)),
)

# Since when a reaper's monotonic clock has seen a claim at this count of renewals.
leases = Table(
    "leases",
    metadata,
    Column("claim", Text, nullable=False),
    Column("clock", Text, nullable=False),
    Column("renewals", Integer, nullable=False),
    Column("lease", Double, nullable=False),
    Column("since", Double, nullable=False),
    PrimaryKeyConstraint("claim", "clock"),
)
