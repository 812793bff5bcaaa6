"""leases that count renewals, and what is known of clocks: nothing depends on a clock that may be stepped."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

RUNNING = sa.text("state = 'running'")


def upgrade() -> None:
    op.drop_index("ix_jobs_leases", "jobs")
    op.drop_column("jobs", "lease_until")
    op.add_column("jobs", sa.Column("lease", sa.Double(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("renewals", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_jobs_claim", "jobs", ["claim"], sqlite_where=RUNNING, postgresql_where=RUNNING)
    op.create_table(
        "leases",
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("renewals", sa.Integer(), nullable=False),
        sa.Column("lease", sa.Double(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("claim", "clock", name="pk_leases"),
    )
    op.create_table(
        "clocks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ahead", sa.Double(), nullable=False),
        sa.Column("checked_at", sa.Double(), nullable=False),
        sa.Column("doubted", sa.Double(), nullable=True),
        sa.Column("stepped_at", sa.Double(), nullable=True),
        sa.Column("step", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_clocks"),
    )
