"""connections are counted by hour and day, the size of the ledger is kept, and rejects are found by their time."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

FILL = """
INSERT INTO traffic_counts (span, start, protocol, slot, connections)
SELECT 'hour', CAST({hours} AS bigint) * 3600, protocol, 0, count(*) FROM observations GROUP BY 1, 2, 3
"""
FROM_HOURS = """
INSERT INTO traffic_counts (span, start, protocol, slot, connections)
SELECT 'day', start / 86400 * 86400, protocol, 0, sum(connections) FROM traffic_counts GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    op.create_table(
        "traffic_counts",
        sa.Column("span", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("connections", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("span", "start", "protocol", "slot", name=op.f("pk_traffic_counts")),
    )
    op.create_table(
        "ledger_sizes",
        sa.Column("day", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_ledger_sizes")),
    )
    op.create_index("ix_rejects_arrived_at", "rejects", ["arrived_at"])
    # SQLite cuts a number off, PostgreSQL rounds it.
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute(FILL.format(hours="arrived_at / 3600" if is_sqlite else "floor(arrived_at / 3600)"))
    op.execute(FROM_HOURS)
