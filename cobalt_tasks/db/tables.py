"""The tables. Times are seconds since the epoch in UTC; absent parts of a job's target are '' and 0, so that unique
keys hold on every database.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    literal_column,
    text,
)

from cobalt_tasks.core.records import State
from cobalt_tasks.db import triggers

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

# SQLite counts rows by itself only in a column of this very type.
RowId = BigInteger().with_variant(Integer, "sqlite")

# Input -------------------------------------------------------------------------------------------------------------

sources = Table(
    "sources",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("generation", Integer, nullable=False, server_default="1"),
    Column("format", Text),
    # A file is known again by device, inode and the fingerprints of its first bytes and of those before the checkpoint.
    Column("device", BigInteger),
    Column("inode", BigInteger),
    Column("head", Text),
    Column("head_length", Integer, nullable=False, server_default="0"),
    Column("tail", Text),
    Column("position", BigInteger, nullable=False, server_default="0"),
    Column("parser_state", Text),
    Column("partial_line", Text),
    # The ledger: read = accepted + duplicates + rejected + ignored.
    Column("read", BigInteger, nullable=False, server_default="0"),
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("duplicates", BigInteger, nullable=False, server_default="0"),
    Column("rejected", BigInteger, nullable=False, server_default="0"),
    Column("ignored", BigInteger, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("ix_sources_device_inode", "device", "inode"),
    Index("ix_sources_name", "name"),
)

rejects = Table(
    "rejects",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("source_id", RowId, ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("arrived_at", Double, nullable=False),
    Index("ix_rejects_source_id_id", "source_id", "id"),
)

observations = Table(
    "observations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("source_id", RowId, nullable=False),
    Column("observed_at", Double, nullable=False),
    Column("arrived_at", Double, nullable=False),
    Column("src_ip", Text, nullable=False),
    Column("src_port", Integer),
    Column("dst_ip", Text, nullable=False),
    Column("dst_port", Integer, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("process", Text),
    Column("identity", Text),
    Column("details", Text),
    Index("ix_observations_arrived_at", "arrived_at"),
)

# Leads from a connection's identity to its row, for the lines of it that are still to come.
identities = Table(
    "identities",
    metadata,
    # A hash of the tool, its name for the connection and, where that is not enough, the two ends.
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("observation_id", BigInteger, nullable=False),
    # Days since the epoch when the connection arrived: identities are deleted with the connections of a day.
    Column("day", Integer, nullable=False),
    # How well the line knew the connection that decided its ends, protocol and start.
    Column("authority", SmallInteger, nullable=False),
)

discoveries = Table(
    "discoveries",
    metadata,
    Column("source_id", RowId, nullable=False),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    # '' for "is open"; else the service's name and a digest of the rest: the same again is a duplicate.
    Column("banner_key", Text, nullable=False),
    Column("observed_at", Double, nullable=False),
    Column("arrived_at", Double, nullable=False),
    Column("reason", Text),
    Column("ttl", Integer),
    # What else the line reports, as JSON text.
    Column("details", Text),
    PrimaryKeyConstraint("source_id", "address", "protocol", "port", "banner_key"),
)

NAMED = "service IS NOT NULL"
LOCATED = "country_code IS NOT NULL OR latitude IS NOT NULL"

# What is known -----------------------------------------------------------------------------------------------------

hosts = Table(
    "hosts",
    metadata,
    Column("address", Text, primary_key=True),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    # Reported by a scan of the user's own, and so in scope as long as no scope is set.
    Column("discovered", Boolean, nullable=False),
    Index("ix_hosts_last_seen_address", "last_seen", "address"),
)

ports = Table(
    "ports",
    metadata,
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("service", Text),
    Column("product", Text),
    Column("version", Text),
    Column("banner", Text),
    PrimaryKeyConstraint("address", "protocol", "port"),
    Index("ix_ports_port_address", "port", "address"),
    Index("ix_ports_service_address", "service", "address", sqlite_where=text(NAMED), postgresql_where=text(NAMED)),
)

locations = Table(
    "locations",
    metadata,
    Column("address", Text, primary_key=True),
    Column("country_code", Text),
    Column("country_name", Text),
    Column("region", Text),
    Column("city", Text),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("timezone", Text),
    Column("asn", BigInteger),
    Column("organisation", Text),
    Column("isp", Text),
    Column("provider", Text, nullable=False),
    Column("sources", Text),
    Column("fetched_at", Double, nullable=False),
    Column("database_built", Double),
    Column("raw", Text),
    Index("ix_locations_fetched_at", "fetched_at"),
    Index(
        "ix_locations_country_code_address",
        "country_code",
        "address",
        sqlite_where=text(LOCATED),
        postgresql_where=text(LOCATED),
    ),
)

hostnames = Table(
    "hostnames",
    metadata,
    Column("address", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("confirmed", Boolean),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    PrimaryKeyConstraint("address", "name", "source"),
    Index("ix_hostnames_name", "name"),
)

banners = Table(
    "banners",
    metadata,
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("service", Text),
    Column("product", Text),
    Column("version", Text),
    Column("text", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    PrimaryKeyConstraint("address", "protocol", "port", "source", "digest"),
    Index("ix_banners_last_seen", "last_seen"),
)

certificates = Table(
    "certificates",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("der", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("not_after", Double, nullable=False),
    Column("self_signed", Boolean, nullable=False),
    Column("names", Text, nullable=False),
)

sightings = Table(
    "sightings",
    metadata,
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    PrimaryKeyConstraint("address", "protocol", "port", "fingerprint", "source"),
    Index("ix_sightings_fingerprint", "fingerprint"),
    Index("ix_sightings_last_seen", "last_seen"),
)

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
)

scores = Table(
    "scores",
    metadata,
    Column("address", Text, primary_key=True),
    Column("score", Double, nullable=False),
    Column("rule_version", Text, nullable=False),
    Column("scored_at", Double, nullable=False),
    Index("ix_scores_score_address", "score", "address"),
)

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

# Work --------------------------------------------------------------------------------------------------------------

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
    # Waits for something shared (a provider's budget): dispatch leaves it to whoever reserves that.
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
    """Tell whether a job is in a state, so that the index of that state serves."""
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

# A provider's calls, shared by all workers: reserved by a guarded UPDATE before any job is claimed for them.
quotas = Table(
    "quotas",
    metadata,
    Column("provider", Text, nullable=False),
    # The length of the window in seconds; a provider may have one for a minute and one for a day.
    Column("window", Double, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    # Tells one window from the next, so that a late answer corrects only the window its call was counted in.
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

# How far a machine's monotonic clock is behind the steady clock, in seconds; and, in the row without a name, how far the
# steady clock is behind the database's, which may be stepped. See `storage.clocks`.
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

triggers.attach(metadata)
