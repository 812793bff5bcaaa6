"""a score knows when its host was scored first."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column("scores", sa.Column("first_scored_at", sa.Double(), nullable=True))
