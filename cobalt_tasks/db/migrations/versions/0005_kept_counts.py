"""counts kept by triggers, cursors as whole numbers, and indexes for pages that walked through tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAMED = "service IS NOT NULL"
LOCATED = "country_code IS NOT NULL OR latitude IS NOT NULL"
STALE_AT = "(CASE WHEN paused_until > fresh_until THEN paused_until ELSE fresh_until END)"
KIND_STATE = "(kind || ' ' || state)"
IDS = "evidence: observations"


def upgrade() -> None:
    _cursors()
    _indexes()
    _counts()


def _cursors() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT name, position FROM cursors")).all()
    op.drop_table("cursors")
    table = op.create_table(
        "cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    moved = [{"name": name, "position": int(at if name == IDS else at * 1_000_000)} for name, at in rows]
    if moved:
        op.bulk_insert(table, moved)


def _indexes() -> None:
    op.drop_index("ix_rejects_source_id", "rejects")
    op.create_index("ix_rejects_source_id_id", "rejects", ["source_id", "id"])
    op.drop_index("ix_hosts_last_seen", "hosts")
    op.create_index("ix_hosts_last_seen_address", "hosts", ["last_seen", "address"])
    op.create_index("ix_ports_port_address", "ports", ["port", "address"])
    op.create_index("ix_ports_service_address", "ports", ["service", "address"], **_only(NAMED))
    op.create_index("ix_locations_country_code_address", "locations", ["country_code", "address"], **_only(LOCATED))
    op.create_index("ix_jobs_kind_state_id", "jobs", [sa.text(KIND_STATE), "id"])
    op.drop_index("ix_freshness_kind_fresh_until", "freshness")
    op.create_index("ix_freshness_kind_due", "freshness", ["kind", sa.text(STALE_AT)])


def _counts() -> None:
    op.create_table(
        "counts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "slot", name=op.f("pk_counts")),
    )
    for table in ("observations", "hosts", "ports"):
        op.execute(f"INSERT INTO counts (name, slot, number) SELECT '{table}', 0, count(*) FROM {table}")  # noqa: S608
    op.execute(
        "INSERT INTO counts (name, slot, number) SELECT 'jobs ' || kind || ' ' || state, 0, count(*) FROM jobs "
        "GROUP BY kind, state",
    )
    op.execute(
        "INSERT INTO freshness (kind, address, protocol, port) SELECT DISTINCT kind, address, protocol, port FROM jobs "
        "WHERE kind = 'geolocation' ON CONFLICT DO NOTHING",
    )
    for statement in SQLITE if op.get_context().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.text(statement.replace(":", r"\:")))


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


# As db/counts.py made them at this revision.
SQLITE = (
    "CREATE TRIGGER count_observations_insert AFTER INSERT ON observations BEGIN INSERT INTO counts (name, slot, number) VALUES ('observations', 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_observations_delete AFTER DELETE ON observations BEGIN INSERT INTO counts (name, slot, number) VALUES ('observations', 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_hosts_insert AFTER INSERT ON hosts BEGIN INSERT INTO counts (name, slot, number) VALUES ('hosts', 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_hosts_delete AFTER DELETE ON hosts BEGIN INSERT INTO counts (name, slot, number) VALUES ('hosts', 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_ports_insert AFTER INSERT ON ports BEGIN INSERT INTO counts (name, slot, number) VALUES ('ports', 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_ports_delete AFTER DELETE ON ports BEGIN INSERT INTO counts (name, slot, number) VALUES ('ports', 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_jobs_insert AFTER INSERT ON jobs BEGIN INSERT INTO counts (name, slot, number) VALUES ('jobs ' || new.kind || ' ' || new.state, 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; INSERT INTO freshness (kind, address, protocol, port) SELECT new.kind, new.address, new.protocol, new.port WHERE new.kind = 'geolocation' ON CONFLICT DO NOTHING; END",
    "CREATE TRIGGER count_jobs_update AFTER UPDATE OF state ON jobs WHEN new.state <> old.state BEGIN INSERT INTO counts (name, slot, number) VALUES ('jobs ' || old.kind || ' ' || old.state, 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; INSERT INTO counts (name, slot, number) VALUES ('jobs ' || new.kind || ' ' || new.state, 0, 1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
    "CREATE TRIGGER count_jobs_delete AFTER DELETE ON jobs BEGIN INSERT INTO counts (name, slot, number) VALUES ('jobs ' || old.kind || ' ' || old.state, 0, -1) ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number; END",
)
POSTGRESQL = (
    "CREATE FUNCTION count_observations_insert() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'observations' AS name, count(*) * 1 AS change FROM new_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_observations_insert AFTER INSERT ON observations REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_observations_insert()",
    "CREATE FUNCTION count_observations_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'observations' AS name, count(*) * -1 AS change FROM old_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_observations_delete AFTER DELETE ON observations REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_observations_delete()",
    "CREATE FUNCTION count_hosts_insert() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'hosts' AS name, count(*) * 1 AS change FROM new_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_hosts_insert AFTER INSERT ON hosts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_hosts_insert()",
    "CREATE FUNCTION count_hosts_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'hosts' AS name, count(*) * -1 AS change FROM old_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_hosts_delete AFTER DELETE ON hosts REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_hosts_delete()",
    "CREATE FUNCTION count_ports_insert() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'ports' AS name, count(*) * 1 AS change FROM new_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_ports_insert AFTER INSERT ON ports REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_ports_insert()",
    "CREATE FUNCTION count_ports_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'ports' AS name, count(*) * -1 AS change FROM old_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_ports_delete AFTER DELETE ON ports REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_ports_delete()",
    "CREATE FUNCTION count_jobs_insert() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'jobs ' || kind || ' ' || state AS name, 1 AS change FROM new_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number; INSERT INTO freshness (kind, address, protocol, port) SELECT DISTINCT kind, address, protocol, port FROM new_rows WHERE kind = 'geolocation' ORDER BY kind, address, protocol, port ON CONFLICT DO NOTHING; RETURN NULL; END$$",
    "CREATE TRIGGER count_jobs_insert AFTER INSERT ON jobs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_jobs_insert()",
    "CREATE FUNCTION count_jobs_update() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'jobs ' || kind || ' ' || state AS name, -1 AS change FROM old_rows UNION ALL SELECT 'jobs ' || kind || ' ' || state AS name, 1 AS change FROM new_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_jobs_update AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_jobs_update()",
    "CREATE FUNCTION count_jobs_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM (SELECT 'jobs ' || kind || ' ' || state AS name, -1 AS change FROM old_rows) AS changes GROUP BY name HAVING sum(change) <> 0 ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number;  RETURN NULL; END$$",
    "CREATE TRIGGER count_jobs_delete AFTER DELETE ON jobs REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_jobs_delete()",
)
