"""hosts that had geolocation work are counted, not looked through for each status."""

from alembic import op

revision = "0032"
down_revision = "0031"

# As db/triggers.py made them at this revision.
SQLITE = (
    "CREATE TRIGGER count_freshness_insert AFTER INSERT ON freshness WHEN new.kind = 'geolocation' BEGIN INSERT INTO counts (name, slot, number) VALUES ('covered geolocation', 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_freshness_delete AFTER DELETE ON freshness WHEN old.kind = 'geolocation' BEGIN INSERT INTO counts (name, slot, number) VALUES ('covered geolocation', 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
)
POSTGRESQL = (
    "CREATE FUNCTION count_freshness_insert() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'covered geolocation' AS name, count(*) * 1 AS change FROM new_rows WHERE kind = 'geolocation') AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_freshness_insert AFTER INSERT ON freshness REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_freshness_insert()",
    "CREATE FUNCTION count_freshness_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'covered geolocation' AS name, count(*) * -1 AS change FROM old_rows WHERE kind = 'geolocation') AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_freshness_delete AFTER DELETE ON freshness REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_freshness_delete()",
)
COUNT = (
    "INSERT INTO counts (name, slot, number) "
    "SELECT 'covered geolocation', 0, count(*) FROM freshness WHERE kind = 'geolocation'"
)


def upgrade() -> None:
    for statement in SQLITE if op.get_context().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
    op.execute(COUNT)
