"""on PostgreSQL, connections are divided by days: what is there becomes the first part, without being copied."""

from alembic import op

revision = "0026"
down_revision = "0025"

OLD = "observations_old"
INDEXES = {
    "pk_observations": "observations_old_pkey",
    "ix_observations_arrived_at": "observations_old_arrived_at_idx",
    "ix_observations_src_ip_id": "observations_old_src_ip_id_idx",
    "ix_observations_dst_ip_id": "observations_old_dst_ip_id_idx",
    "ix_observations_dst_port_id": "observations_old_dst_port_id_idx",
    "ix_observations_other_protocol": "observations_old_protocol_id_idx",
    "ix_observations_folded_process": "observations_old_lower_idx",
}
NEW = (
    "CREATE TABLE observations (LIKE observations_old INCLUDING DEFAULTS) PARTITION BY RANGE (id)",
    "ALTER SEQUENCE observations_id_seq OWNED BY observations.id",
    "ALTER TABLE observations ADD CONSTRAINT pk_observations PRIMARY KEY (id)",
    "CREATE INDEX ix_observations_arrived_at ON observations (arrived_at)",
    "CREATE INDEX ix_observations_src_ip_id ON observations (src_ip, id)",
    "CREATE INDEX ix_observations_dst_ip_id ON observations (dst_ip, id)",
    "CREATE INDEX ix_observations_dst_port_id ON observations (dst_port, id)",
    "CREATE INDEX ix_observations_other_protocol ON observations (protocol, id) WHERE protocol <> 'tcp'",
    'CREATE INDEX ix_observations_folded_process ON observations (lower(process) COLLATE "C") WHERE process IS NOT NULL',
    "ALTER TABLE observations ATTACH PARTITION observations_old FOR VALUES FROM (MINVALUE) TO (274877906944)",
    (
        "CREATE TRIGGER count_observations_delete AFTER DELETE ON observations REFERENCING OLD TABLE AS old_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION count_observations_delete()"
    ),
)


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        return
    op.execute("DROP TRIGGER count_observations_delete ON observations")
    op.execute(f"ALTER TABLE observations RENAME TO {OLD}")
    for name, new in INDEXES.items():
        op.execute(f"ALTER INDEX {name} RENAME TO {new}")
    for statement in NEW:
        op.execute(statement)
