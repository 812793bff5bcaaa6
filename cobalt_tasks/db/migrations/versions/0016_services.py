"""what each source reports of a port is kept, ports may be known from traffic alone, and hosts have MAC addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "services",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("service", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("banner", sa.Text(), nullable=True),
        sa.Column("first_seen", sa.Double(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("address", "protocol", "port", "source", "rank", name=op.f("pk_services")),
    )
    # Which source reported what is shown was not kept: it counts as a scanner's banner.
    op.execute(
        "INSERT INTO services (address, protocol, port, source, rank, service, product, version, banner, first_seen, last_seen) "
        "SELECT address, protocol, port, 'earlier', 2, service, product, version, banner, first_seen, last_seen FROM ports "
        "WHERE service IS NOT NULL OR product IS NOT NULL OR banner IS NOT NULL"
    )
    op.create_table(
        "hardware_addresses",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("first_seen", sa.Double(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("address", "mac", "source", name=op.f("pk_hardware_addresses")),
    )
    op.create_index("ix_hardware_addresses_mac", "hardware_addresses", ["mac"])
    op.add_column("ports", sa.Column("seen_in_traffic", sa.Boolean(), server_default=sa.false(), nullable=False))
