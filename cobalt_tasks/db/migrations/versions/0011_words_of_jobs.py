"""The columns of jobs get the words of the documentation: the priority level, and whether a job is isolated."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # Both databases carry the new names into indexes and triggers themselves.
    op.execute("ALTER TABLE jobs RENAME COLUMN step TO level")
    op.execute("ALTER TABLE jobs RENAME COLUMN alone TO isolated")
