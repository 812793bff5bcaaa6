"""hosts that change without a job are queued for scoring; those of before that have no score are, too."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

_UNSCORED = """
INSERT INTO unscored_hosts (address, queued_at)
SELECT address, last_seen FROM hosts
WHERE discovered AND NOT EXISTS (SELECT 1 FROM scores WHERE scores.address = hosts.address)
"""
_CHANGED = """
INSERT INTO unscored_hosts (address, queued_at)
SELECT address, recorded_at FROM changes
WHERE kind IN ('port closed', 'port reopened')
AND id > coalesce((SELECT position FROM cursors WHERE name = 'findings: changes'), 0)
"""


def upgrade() -> None:
    op.create_table(
        "unscored_hosts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unscored_hosts")),
    )
    for statement in (_UNSCORED, _CHANGED, "DELETE FROM cursors WHERE name = 'findings: changes'"):
        op.execute(statement)
