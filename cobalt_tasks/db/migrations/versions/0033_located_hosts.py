"""hosts with a location are counted, not looked through for each status."""

from alembic import op

revision = "0033"
down_revision = "0032"

# As db/triggers.py made them at this revision.
SQLITE = (
    "CREATE TRIGGER count_locations_insert AFTER INSERT ON locations WHEN (new.country_code IS NOT NULL OR new.latitude IS NOT NULL) BEGIN INSERT INTO counts (name, slot, number) VALUES ('located hosts', 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_locations_delete AFTER DELETE ON locations WHEN (old.country_code IS NOT NULL OR old.latitude IS NOT NULL) BEGIN INSERT INTO counts (name, slot, number) VALUES ('located hosts', 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_locations_update AFTER UPDATE ON locations WHEN (new.country_code IS NOT NULL OR new.latitude IS NOT NULL) <> (old.country_code IS NOT NULL OR old.latitude IS NOT NULL) BEGIN INSERT INTO counts (name, slot, number) VALUES ('located hosts', 0, (new.country_code IS NOT NULL OR new.latitude IS NOT NULL) - (old.country_code IS NOT NULL OR old.latitude IS NOT NULL)) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
)
POSTGRESQL = (
    "CREATE FUNCTION count_locations_insert() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'located hosts' AS name, count(*) * 1 AS change FROM new_rows WHERE (new_rows.country_code IS NOT NULL OR new_rows.latitude IS NOT NULL)) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_locations_insert AFTER INSERT ON locations REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_locations_insert()",
    "CREATE FUNCTION count_locations_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'located hosts' AS name, count(*) * -1 AS change FROM old_rows WHERE (old_rows.country_code IS NOT NULL OR old_rows.latitude IS NOT NULL)) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_locations_delete AFTER DELETE ON locations REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_locations_delete()",
    "CREATE FUNCTION count_locations_update() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'located hosts' AS name, count(*) * -1 AS change FROM old_rows WHERE (old_rows.country_code IS NOT NULL OR old_rows.latitude IS NOT NULL) UNION ALL SELECT 'located hosts' AS name, count(*) * 1 AS change FROM new_rows WHERE (new_rows.country_code IS NOT NULL OR new_rows.latitude IS NOT NULL)) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_locations_update AFTER UPDATE ON locations REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_locations_update()",
)
COUNT = (
    "INSERT INTO counts (name, slot, number) "
    "SELECT 'located hosts', 0, count(*) FROM locations WHERE country_code IS NOT NULL OR latitude IS NOT NULL"
)


def upgrade() -> None:
    for statement in SQLITE if op.get_context().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
    op.execute(COUNT)
