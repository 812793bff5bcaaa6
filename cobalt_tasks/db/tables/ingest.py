"""Sources of input with their checkpoints and counts, and the records that were read."""

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    event,
    text,
)

from cobalt_tasks.db.tables.base import NOT_TCP, RowId, metadata

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
    Index("ix_rejects_arrived_at", "arrived_at"),
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
    Index("ix_observations_src_ip_id", "src_ip", "id"),
    Index("ix_observations_dst_ip_id", "dst_ip", "id"),
    Index("ix_observations_dst_port_id", "dst_port", "id"),
    Index(
        "ix_observations_other_protocol", "protocol", "id", sqlite_where=text(NOT_TCP), postgresql_where=text(NOT_TCP)
    ),
    # By days, each of which has a span of ids (db/partitions.py).
    postgresql_partition_by="RANGE (id)",
)
_first_part = DDL(
    "CREATE TABLE observations_old PARTITION OF observations FOR VALUES FROM (MINVALUE) TO (274877906944)"
)  # type: ignore[no-untyped-call]
event.listen(observations, "after_create", _first_part.execute_if(dialect="postgresql"))

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
