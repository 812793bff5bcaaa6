"""what changed is kept, ports have a state, and the networks that were scanned are known."""

import ipaddress

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

NOT_CONFIRMED = "unconfirmed_since IS NOT NULL"
OF_NETWORKS = "kind = 'networks scanned'"


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("observed_at", sa.Double(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.create_index("ix_changes_recorded_at", "changes", ["recorded_at"])
    op.create_index("ix_changes_address_id", "changes", ["address", "id"])
    some = sa.text(OF_NETWORKS)
    op.create_index("ix_changes_source_id", "changes", ["source_id"], sqlite_where=some, postgresql_where=some)
    op.create_table(
        "scanned_hosts",
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.Double(), nullable=False),
        sa.Column("is_rest_closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "address", name=op.f("pk_scanned_hosts")),
    )
    op.create_table(
        "scanned_ports",
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("observed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "address", "protocol", "port", name=op.f("pk_scanned_ports")),
    )
    op.create_table(
        "scanned_networks",
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("found_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("network", name=op.f("pk_scanned_networks")),
    )
    op.add_column("ports", sa.Column("closed_since", sa.Double(), nullable=True))
    op.add_column("ports", sa.Column("unconfirmed_since", sa.Double(), nullable=True))
    gone = sa.text(NOT_CONFIRMED)
    op.create_index(
        "ix_ports_address_protocol_port",
        "ports",
        ["address", "protocol", "port"],
        sqlite_where=gone,
        postgresql_where=gone,
    )
    _fill()


def _fill() -> None:
    """Note the networks of the hosts there are, so that what is new in them from now on is a change."""
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "INSERT INTO scanned_networks (network, source_id, found_at) "
            "SELECT DISTINCT rtrim(address, '0123456789') || '0/24', 0, 0.0 FROM hosts "
            "WHERE discovered AND address NOT LIKE '%:%'"
        )
    )
    chosen = sa.text("SELECT address FROM hosts WHERE discovered AND address LIKE '%:%'")
    networks = {
        str(ipaddress.ip_network((address, 64), strict=False)) for address in connection.execute(chosen).scalars()
    }
    if networks:
        add = sa.text("INSERT INTO scanned_networks (network, source_id, found_at) VALUES (:network, 0, 0.0)")
        connection.execute(add, [{"network": network} for network in sorted(networks)])
