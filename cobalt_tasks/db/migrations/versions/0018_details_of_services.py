"""a service keeps what else is known of it, as JSON text: CPE, operating system, device, a page's title."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("services", sa.Column("details", sa.Text))
    op.add_column("ports", sa.Column("details", sa.Text))
