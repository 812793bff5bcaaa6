"""a discovery keeps what else its line reports, as JSON text."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("discoveries", sa.Column("details", sa.Text))
