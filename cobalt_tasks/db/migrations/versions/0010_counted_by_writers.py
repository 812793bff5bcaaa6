"""new rows are counted by their writer where a trigger slowed input down, and input has fewer rows and indexes to write."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

KIND_STATE = "(kind || ' ' || state)"
NOT_PENDING = sa.text("state <> 'pending'")
TABLES = ("observations", "hosts", "ports")
UNSTARTED = (
    "INSERT INTO counts (name, slot, number) SELECT 'unstarted geolocation', 0, count(*) FROM jobs "
    "WHERE kind = 'geolocation' AND state = 'pending' AND NOT EXISTS (SELECT 1 FROM freshness AS known "
    "WHERE known.kind = jobs.kind AND known.address = jobs.address AND known.protocol = jobs.protocol "
    "AND known.port = jobs.port)"
)


def upgrade() -> None:
    op.drop_index("ix_jobs_kind_state_id", "jobs")
    is_sqlite = op.get_context().dialect.name == "sqlite"
    if is_sqlite:
        for name in ("hosts_insert", "ports_insert", "jobs_insert", "observations_delete"):
            op.execute(f"DROP TRIGGER count_{name}")
        op.execute("UPDATE jobs SET claim = NULL WHERE claim = ''")
    else:
        op.execute("DROP TRIGGER count_observations_insert ON observations")
        op.execute("DROP FUNCTION count_observations_insert")
    op.create_index(
        "ix_jobs_kind_state_id",
        "jobs",
        [sa.text(KIND_STATE), "id"],
        sqlite_where=NOT_PENDING,
        postgresql_where=NOT_PENDING,
    )
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        op.execute(sa.text(statement.replace(":", r"\:")))
    _recount()


def _recount() -> None:
    op.execute("DELETE FROM counts")
    for table in TABLES:
        op.execute(f"INSERT INTO counts (name, slot, number) SELECT '{table}', 0, count(*) FROM {table}")  # noqa: S608
    op.execute(
        "INSERT INTO counts (name, slot, number) SELECT 'jobs ' || kind || ' ' || state, 0, count(*) FROM jobs "
        "GROUP BY kind, state",
    )
    op.execute(UNSTARTED)


# As db/triggers.py made them at this revision.
SQLITE = (
    "CREATE TRIGGER count_observations_delete AFTER DELETE ON observations BEGIN INSERT INTO counts (name, slot, number) VALUES ('observations', 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER cover_jobs_update AFTER UPDATE OF state ON jobs WHEN new.state <> old.state AND old.state = 'pending' AND old.kind = 'geolocation' BEGIN INSERT INTO counts (name, slot, number) SELECT 'unstarted geolocation', 0, -1 WHERE NOT EXISTS (SELECT 1 FROM freshness AS known WHERE known.kind = old.kind AND known.address = old.address AND known.protocol = old.protocol AND known.port = old.port) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; INSERT INTO freshness (kind, address, protocol, port) VALUES (old.kind, old.address, old.protocol, old.port) ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER cover_jobs_delete AFTER DELETE ON jobs WHEN old.state = 'pending' AND old.kind = 'geolocation' BEGIN INSERT INTO counts (name, slot, number) SELECT 'unstarted geolocation', 0, -1 WHERE NOT EXISTS (SELECT 1 FROM freshness AS known WHERE known.kind = old.kind AND known.address = old.address AND known.protocol = old.protocol AND known.port = old.port) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
)
POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION count_jobs_insert() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'jobs ' || kind || ' ' || state AS name, 1 AS change FROM new_rows UNION ALL SELECT 'unstarted geolocation', 1 FROM new_rows WHERE new_rows.state = 'pending' AND new_rows.kind = 'geolocation' AND NOT EXISTS (SELECT 1 FROM freshness AS known WHERE known.kind = new_rows.kind AND known.address = new_rows.address AND known.protocol = new_rows.protocol AND known.port = new_rows.port)) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE OR REPLACE FUNCTION count_jobs_update() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'jobs ' || kind || ' ' || state AS name, -1 AS change FROM old_rows UNION ALL SELECT 'jobs ' || kind || ' ' || state AS name, 1 AS change FROM new_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number; WITH covered AS (INSERT INTO freshness (kind, address, protocol, port) SELECT old_rows.kind, old_rows.address, old_rows.protocol, old_rows.port FROM old_rows JOIN new_rows ON new_rows.id = old_rows.id WHERE old_rows.state = 'pending' AND old_rows.kind = 'geolocation' AND new_rows.state <> 'pending' ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING RETURNING 1) INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'unstarted geolocation' AS name, -1 AS change FROM covered) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number; RETURN NULL; END$$",
    "CREATE OR REPLACE FUNCTION count_jobs_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'jobs ' || kind || ' ' || state AS name, -1 AS change FROM old_rows UNION ALL SELECT 'unstarted geolocation', -1 FROM old_rows WHERE old_rows.state = 'pending' AND old_rows.kind = 'geolocation' AND NOT EXISTS (SELECT 1 FROM freshness AS known WHERE known.kind = old_rows.kind AND known.address = old_rows.address AND known.protocol = old_rows.protocol AND known.port = old_rows.port)) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
)
