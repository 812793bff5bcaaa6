"""what speaks against hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "evidence",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("points", sa.Double(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("address", "rule", "subject", name=op.f("pk_evidence")),
    )
    op.create_table(
        "scores",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("scored_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_scores")),
    )
    op.create_index("ix_scores_score", "scores", ["score"], unique=False)
