"""Quotas of geolocation providers, and the providers that are left alone after failures."""

from sqlalchemy import Column, Double, Integer, PrimaryKeyConstraint, Table, Text

from cobalt_tasks.db.tables.base import metadata

# A provider's calls, shared by all workers: reserved by a guarded UPDATE before any job is claimed for them.
quotas = Table(
    "quotas",
    metadata,
    Column("provider", Text, nullable=False),
    # The length of the window in seconds; a provider may have one for a minute and one for a day.
    Column("window", Double, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    # Distinguishes one window from the next, so that a late answer corrects only the window its call was counted in.
    Column("started_at", Double, nullable=False),
    Column("resets_at", Double, nullable=False),
    PrimaryKeyConstraint("provider", "window"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("open_until", Double, nullable=False),
    Column("reason", Text),
)
