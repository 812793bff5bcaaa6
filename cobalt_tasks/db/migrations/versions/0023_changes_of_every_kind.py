"""changes of every kind, what the user accepts, and ports that refuse our own probe."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

REFUSED = "refused_at IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "milestones",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.Double(), nullable=False),
        sa.Column("change_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_milestones")),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_address", "notes", ["address"])
    op.add_column("hostnames", sa.Column("gone_since", sa.Double(), nullable=True))
    op.add_column("ports", sa.Column("refusals", sa.Integer(), server_default="0", nullable=False))
    op.add_column("ports", sa.Column("refused_at", sa.Double(), nullable=True))
    some = sa.text(REFUSED)
    op.create_index("ix_ports_refused_at", "ports", ["refused_at"], sqlite_where=some, postgresql_where=some)
