"""an index in the order that hosts are listed in by score, however many have the same."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_index("ix_scores_score", "scores")
    op.create_index("ix_scores_score_address", "scores", ["score", "address"], unique=False)
