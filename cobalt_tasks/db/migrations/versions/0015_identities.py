"""the identity of a connection leads to its row, whichever sources its lines come from."""

import sqlalchemy as sa
from alembic import op
from xxhash import xxh3_64_intdigest

revision = "0015"
down_revision = "0014"

CHUNK = 10_000
FLOW = 2


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("observation_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("authority", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_identities")),
    )
    _fill()
    op.drop_index("uq_observations_source_id_identity", "observations")
    op.execute("ALTER TABLE sources RENAME COLUMN provisional TO partial_line")


def _fill() -> None:
    """Make identities of the connections there are; of several of one identity the first."""
    connection = op.get_bind()
    last = connection.execute(sa.text("SELECT coalesce(max(id), 0) FROM observations")).scalar_one()
    chosen = sa.text(
        "SELECT o.id, o.identity, o.src_ip, o.src_port, o.dst_ip, o.dst_port, o.arrived_at, s.format FROM observations o "
        "JOIN sources s ON s.id = o.source_id WHERE o.identity IS NOT NULL AND o.id > :first AND o.id <= :last ORDER BY o.id"
    )
    add = sa.text(
        "INSERT INTO identities (key, observation_id, day, authority) VALUES (:key, :row, :day, :authority) "
        "ON CONFLICT DO NOTHING"
    )
    for first in range(0, last, CHUNK):
        found = connection.execute(chosen, {"first": first, "last": first + CHUNK}).all()
        rows = [
            {"key": _key(each), "row": each.id, "day": int(each.arrived_at // 86400), "authority": FLOW}
            for each in found
        ]
        if rows:
            connection.execute(add, rows)


def _key(row: sa.Row[tuple[object, ...]]) -> int:
    # As ingest/connections.py made it at this revision.
    tool = (row.format or "").partition("-")[0]
    name = f"{tool}\0{row.identity}"
    if tool != "zeek":
        one, other = f"{row.src_ip} {row.src_port or 0}", f"{row.dst_ip} {row.dst_port}"
        name += f"\0{one}\0{other}" if one < other else f"\0{other}\0{one}"
    return xxh3_64_intdigest(name.encode()) - (1 << 63)
