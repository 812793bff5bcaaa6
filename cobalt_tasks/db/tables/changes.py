"""What changed in what is known about hosts, and what scans covered."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from cobalt_tasks.db.tables.base import RowId, metadata

OF_NETWORKS = "kind = 'networks scanned'"

# Each difference once. Absent parts of a target are '' and 0; `old` and `new` are texts for people.
changes = Table(
    "changes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("recorded_at", Double, nullable=False),
    Column("observed_at", Double, nullable=False),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("old", Text),
    Column("new", Text),
    # The input it was read from; 0 for a probe of our own.
    Column("source_id", BigInteger, nullable=False),
    # What a first report has beside: ports, numbers of hosts; JSON text.
    Column("details", Text),
    Index("ix_changes_recorded_at", "recorded_at"),
    Index("ix_changes_address_id", "address", "id"),
    Index("ix_changes_source_id", "source_id", sqlite_where=text(OF_NETWORKS), postgresql_where=text(OF_NETWORKS)),
)

# What is a change once only: a certificate's last 30 days, a country of an own network's peers.
milestones = Table(
    "milestones",
    metadata,
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("noted_at", Double, nullable=False),
    # The change that it is part of, where others add to it.
    Column("change_id", BigInteger),
    PrimaryKeyConstraint("kind", "subject"),
)

# What the user accepts: findings and changes that neither alert nor score until then.
notes = Table(
    "notes",
    metadata,
    Column("id", RowId, primary_key=True),
    # `finding`, or `change`.
    Column("about", Text, nullable=False),
    # The name of the rule, or the kind of change.
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    # What of the host: `tcp/22`, a list's name; '' for all of it.
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    # When it is over; NULL: it holds until it is removed.
    Column("expires_at", Double),
    # When it was removed, or found to be over; NULL while it holds.
    Column("ended_at", Double),
    Index("ix_notes_address", "address"),
)

# The networks (/24 and /64) in which a scan reported a host, and which source did so first, when it was recorded.
scanned_networks = Table(
    "scanned_networks",
    metadata,
    Column("network", Text, primary_key=True),
    Column("source_id", BigInteger, nullable=False),
    Column("found_at", Double, nullable=False),
)

# Hosts that a scan still being read has covered; what it did not report open there counts once the scan ended well.
scanned_hosts = Table(
    "scanned_hosts",
    metadata,
    Column("source_id", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("observed_at", Double, nullable=False),
    # Whether every port that is not listed was reported closed.
    Column("is_rest_closed", Boolean, nullable=False),
    PrimaryKeyConstraint("source_id", "address"),
)

# Ports that a scan still being read reported closed, of those that were open; they are closed once the scan ended well.
scanned_ports = Table(
    "scanned_ports",
    metadata,
    Column("source_id", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("observed_at", Double, nullable=False),
    PrimaryKeyConstraint("source_id", "address", "protocol", "port"),
)
