"""SQLite: observations are counted when they are deleted, not when they are added."""

from alembic import op

revision = "0008"
down_revision = "0007"

DELETED = "CREATE TRIGGER count_observations_delete AFTER DELETE ON observations BEGIN INSERT INTO counts (name, slot, number) VALUES ('observations', 0, max(old.id, coalesce((SELECT max(id) FROM observations), 0)) - coalesce((SELECT max(id) FROM observations), 0) - 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END"


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    op.execute("DROP TRIGGER count_observations_insert")
    op.execute("DROP TRIGGER count_observations_delete")
    op.execute(DELETED)
    op.execute("DELETE FROM counts WHERE name = 'observations'")
    op.execute(
        "INSERT INTO counts (name, slot, number) "
        "SELECT 'observations', 0, count(*) - coalesce(max(id), 0) FROM observations",
    )
