"""SQLite: new jobs that input brings are counted many at once by their writer, not one by one by a trigger."""

from alembic import op

revision = "0009"
down_revision = "0008"

INSERTED = "CREATE TRIGGER count_jobs_insert AFTER INSERT ON jobs WHEN new.claim IS NOT '' BEGIN INSERT INTO counts (name, slot, number) VALUES ('jobs ' || new.kind || ' ' || new.state, 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; INSERT INTO freshness (kind, address, protocol, port) SELECT new.kind, new.address, new.protocol, new.port WHERE new.kind = 'geolocation' ON CONFLICT DO NOTHING; END"


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    op.execute("DROP TRIGGER count_jobs_insert")
    op.execute(INSERTED)
