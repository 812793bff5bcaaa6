"""What is known about hosts and ports."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    false,
    text,
)

from cobalt_tasks.core.addresses import sort_key
from cobalt_tasks.db.tables.base import NOT_TCP, ByteOrder, backwards, from_column, metadata

NAMED = "service IS NOT NULL"

NOT_CONFIRMED = "unconfirmed_since IS NOT NULL"

REFUSED = "refused_at IS NOT NULL"

LOCATED = "country_code IS NOT NULL OR latitude IS NOT NULL"

hosts = Table(
    "hosts",
    metadata,
    Column("address", Text, primary_key=True),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    # Reported by a scan of the user's own, and so in scope as long as no scope is set.
    Column("discovered", Boolean, nullable=False),
    # The address in an order in which the hosts of a network stand together.
    Column("address_key", Text, nullable=False, server_default="", default=from_column("address", sort_key)),
    Index("ix_hosts_last_seen_address", "last_seen", "address"),
    Index("ix_hosts_address_key", "address_key"),
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
    Column("details", Text),
    # Known from traffic, and so never probed for that alone; false once a scan reports it.
    Column("seen_in_traffic", Boolean, nullable=False, server_default=false()),
    # When a scan after last_seen did not find the port open, first; NULL while it is open.
    Column("unconfirmed_since", Double),
    # When it was known to be closed (hosts/port_states.py); then unconfirmed_since is not NULL either.
    Column("closed_since", Double),
    # How often in a row our own probe was refused, half an hour apart or more, and when last (hosts/refusals.py).
    Column("refusals", Integer, nullable=False, server_default="0"),
    Column("refused_at", Double),
    PrimaryKeyConstraint("address", "protocol", "port"),
    Index(
        "ix_ports_address_protocol_port",
        "address",
        "protocol",
        "port",
        sqlite_where=text(NOT_CONFIRMED),
        postgresql_where=text(NOT_CONFIRMED),
    ),
    Index("ix_ports_port_address", "port", "address"),
    Index("ix_ports_refused_at", "refused_at", sqlite_where=text(REFUSED), postgresql_where=text(REFUSED)),
    Index("ix_ports_first_seen", "first_seen"),
    Index("ix_ports_other_protocol", "protocol", sqlite_where=text(NOT_TCP), postgresql_where=text(NOT_TCP)),
    Index("ix_ports_service_address", "service", "address", sqlite_where=text(NAMED), postgresql_where=text(NAMED)),
)

# What each source reports of a port; the best of those still fresh stands in `ports` (hosts/services.py).
services = Table(
    "services",
    metadata,
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("service", Text),
    Column("product", Text),
    Column("version", Text),
    Column("banner", Text),
    Column("details", Text),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    PrimaryKeyConstraint("address", "protocol", "port", "source", "rank"),
)

# MAC addresses of hosts on the user's own networks.
hardware_addresses = Table(
    "hardware_addresses",
    metadata,
    Column("address", Text, nullable=False),
    Column("mac", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("vendor", Text),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    PrimaryKeyConstraint("address", "mac", "source"),
    Index("ix_hardware_addresses_mac", "mac"),
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
    Index("ix_locations_asn", "asn"),
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
    # When the source was asked again and did not have the name any more; NULL while it has.
    Column("gone_since", Double),
    # The name backwards in lower case: the names of one domain stand together.
    Column("reversed", ByteOrder, nullable=False, server_default="", default=from_column("name", backwards)),
    PrimaryKeyConstraint("address", "name", "source"),
    Index("ix_hostnames_reversed", "reversed"),
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
    # The SHA-256 of the public key, '' where only a sensor describes the certificate.
    Column("public_key", Text, nullable=False, server_default=""),
    Column("key_type", Text, nullable=False, server_default=""),
    Column("key_size", Integer, nullable=False, server_default="0"),
    Column("signature", Text, nullable=False, server_default=""),
    Index("ix_certificates_not_after_fingerprint", "not_after", "fingerprint"),
    Index("ix_certificates_serial", "serial"),
    Index("ix_certificates_self_signed", "self_signed"),
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
    # What the handshake showed besides, JSON text.
    Column("details", Text),
    PrimaryKeyConstraint("address", "protocol", "port", "fingerprint", "source"),
    Index("ix_sightings_fingerprint", "fingerprint"),
    Index("ix_sightings_port", "port"),
    Index("ix_sightings_other_protocol", "protocol", sqlite_where=text(NOT_TCP), postgresql_where=text(NOT_TCP)),
    Index("ix_sightings_last_seen", "last_seen"),
)
