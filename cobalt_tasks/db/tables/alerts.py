"""Alerts on their way to receivers."""

from sqlalchemy import Column, Double, Index, Integer, Table, Text, text

from cobalt_tasks.db.tables.base import RowId, metadata

WAITING = "state IN ('pending', 'sending')"

# One message to one receiver, written in the transaction that moves the evaluator on.
alerts = Table(
    "alerts",
    metadata,
    Column("id", RowId, primary_key=True),
    # What a receiver knows a repetition by.
    Column("key", Text, nullable=False, unique=True),
    Column("rule", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("severity", Text, nullable=False),
    # pending, sending, sent or dead.
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Who is sending it: a sender that ends without an answer is recognised by a claim that stands still.
    Column("claim", Text),
    # How many things it is about, and the lines that describe the first of them, as JSON text.
    Column("count", Integer, nullable=False),
    Column("items", Text, nullable=False),
    Column("ended_at", Double),
    Column("reason", Text),
    Index("ix_alerts_due_at", "due_at", sqlite_where=text(WAITING), postgresql_where=text(WAITING)),
    Index("ix_alerts_state_ended_at", "state", "ended_at"),
)
