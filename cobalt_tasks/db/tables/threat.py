"""Findings and scores of hosts."""

from sqlalchemy import Column, Double, Index, PrimaryKeyConstraint, Table, Text

from cobalt_tasks.db.tables.base import RowId, metadata

# What the rules found about a host; and the score it adds up to.
findings = Table(
    "findings",
    metadata,
    Column("address", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("points", Double, nullable=False),
    Column("source", Text, nullable=False),
    Column("observed_at", Double, nullable=False),
    Column("detail", Text, nullable=False),
    Column("rule_version", Text, nullable=False),
    PrimaryKeyConstraint("address", "rule", "subject"),
    Index("ix_findings_rule_address", "rule", "address"),
)

scores = Table(
    "scores",
    metadata,
    Column("address", Text, primary_key=True),
    Column("score", Double, nullable=False),
    Column("rule_version", Text, nullable=False),
    Column("scored_at", Double, nullable=False),
    # NULL for scores of ledgers before this column.
    Column("first_scored_at", Double),
    Index("ix_scores_score_address", "score", "address"),
)

# Hosts with a connection whose ends were corrected: what its first ends showed is looked through again.
corrected_hosts = Table(
    "corrected_hosts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("address", Text, nullable=False),
)

# Hosts of which something changed that no job will come to: how scoring learns of them.
unscored_hosts = Table(
    "unscored_hosts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("address", Text, nullable=False),
    Column("queued_at", Double, nullable=False),
)

# Findings that were not there before: alerts are sent about them, and then they go from here.
new_findings = Table(
    "new_findings",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("address", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
)
