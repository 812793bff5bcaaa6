"""indexes and tables of the search: folded text, words, versions, names of certificates, addresses in order."""

import json
import re
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

C_ORDER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOT_TCP = sa.text("protocol <> 'tcp'")
INDEXES = (
    ("hosts", ["address_key"]),
    ("ports", ["first_seen"]),
    ("locations", ["asn"]),
    ("hostnames", ["reversed"]),
    ("certificates", ["not_after"]),
    ("certificates", ["serial"]),
    ("certificates", ["self_signed"]),
    ("findings", ["rule", "address"]),
    ("sightings", ["port"]),
    ("observations", ["src_ip", "id"]),
    ("observations", ["dst_ip", "id"]),
    ("observations", ["dst_port", "id"]),
)
FOLDED = (
    ("hostnames", "name"),
    ("ports", "product"),
    ("ports", "version"),
    ("locations", "organisation"),
    ("locations", "city"),
    ("certificates", "subject"),
    ("certificates", "issuer"),
    ("observations", "process"),
)
# As db/tables/search.py has them for new ledgers: what a migration does must not change with the tables.
FTS = (
    (
        "CREATE VIRTUAL TABLE search_index USING fts5(body, content='search_texts', content_rowid='id', "
        "tokenize='unicode61 remove_diacritics 0')"
    ),
    (
        "CREATE TRIGGER search_texts_insert AFTER INSERT ON search_texts BEGIN "
        "INSERT INTO search_index (rowid, body) VALUES (new.id, new.body); END"
    ),
    (
        "CREATE TRIGGER search_texts_delete AFTER DELETE ON search_texts BEGIN "
        "INSERT INTO search_index (search_index, rowid, body) VALUES ('delete', old.id, old.body); END"
    ),
    (
        "CREATE TRIGGER search_texts_update AFTER UPDATE OF body ON search_texts BEGIN "
        "INSERT INTO search_index (search_index, rowid, body) VALUES ('delete', old.id, old.body); "
        "INSERT INTO search_index (rowid, body) VALUES (new.id, new.body); END"
    ),
)
QUEUE = (
    "INSERT INTO search_queue (address) SELECT address FROM hosts WHERE "
    "EXISTS (SELECT 1 FROM ports WHERE ports.address = hosts.address AND (service IS NOT NULL OR banner IS NOT NULL)) "
    "OR EXISTS (SELECT 1 FROM hostnames WHERE hostnames.address = hosts.address) "
    "OR EXISTS (SELECT 1 FROM locations WHERE locations.address = hosts.address) "
    "OR EXISTS (SELECT 1 FROM sightings WHERE sightings.address = hosts.address)"
)


def upgrade() -> None:
    is_sqlite = op.get_context().dialect.name == "sqlite"
    _add_tables()
    _add_columns(is_sqlite)
    for table, columns in INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    for table, columns in (("ports", ["protocol"]), ("sightings", ["protocol"]), ("observations", ["protocol", "id"])):
        op.create_index(f"ix_{table}_other_protocol", table, columns, sqlite_where=NOT_TCP, postgresql_where=NOT_TCP)
    order = "" if is_sqlite else ' COLLATE "C"'
    for table, column in FOLDED:
        only = sa.text(f"{column} IS NOT NULL")
        name = f"ix_{table}_folded_{column}"
        op.create_index(name, table, [sa.text(f"lower({column}){order}")], sqlite_where=only, postgresql_where=only)
    if is_sqlite:
        for statement in FTS:
            op.execute(statement)
    else:
        op.execute(
            "CREATE INDEX ix_search_texts_words ON search_texts USING gin (to_tsvector('simple'::regconfig, body))"
        )
    op.execute(QUEUE)


def _add_tables() -> None:
    op.create_table(
        "versions",
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("sort_key", C_ORDER, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_versions"),
    )
    op.create_index("ix_versions_sort_key", "versions", ["sort_key"])
    op.create_table(
        "certificate_names",
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("name", C_ORDER, nullable=False),
        sa.Column("reversed", C_ORDER, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "name", name="pk_certificate_names"),
    )
    op.create_index("ix_certificate_names_name", "certificate_names", ["name"])
    op.create_index("ix_certificate_names_reversed", "certificate_names", ["reversed"])
    op.create_table(
        "search_texts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_texts"),
        sa.UniqueConstraint("address", "protocol", "port", name="uq_search_texts_address_protocol_port"),
    )
    op.create_table(
        "search_queue",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_queue"),
    )


def _add_columns(is_sqlite: bool) -> None:  # noqa: FBT001
    connection = op.get_bind()
    if is_sqlite:
        raw: Any = connection.connection.driver_connection
        raw.create_function("cobalt_address_key", 1, _address_key, deterministic=True)
        raw.create_function("cobalt_backwards", 1, lambda name: name.lower()[::-1], deterministic=True)
        _rebuild("hosts", "address_key", "TEXT NOT NULL DEFAULT ''", "cobalt_address_key(address)")
        _rebuild("hostnames", "reversed", "TEXT NOT NULL DEFAULT ''", "cobalt_backwards(name)")
    else:
        of_address = (
            "CASE family(address::inet) WHEN 4 THEN '4' ELSE '6' END "
            "|| encode(substring(inet_send(address::inet) from 5), 'hex')"
        )
        _rebuild("hosts", "address_key", "text NOT NULL DEFAULT ''", of_address)
        _rebuild("hostnames", "reversed", "text COLLATE \"C\" NOT NULL DEFAULT ''", "reverse(lower(name))")
    versions = [
        row[0] for row in connection.execute(sa.text("SELECT DISTINCT version FROM ports WHERE version IS NOT NULL"))
    ]
    if versions:
        rows = [{"version": each, "sort_key": _version_key(each)} for each in versions]
        connection.execute(sa.text("INSERT INTO versions (version, sort_key) VALUES (:version, :sort_key)"), rows)
    _add_certificate_names(connection)


def _rebuild(table: str, column: str, kind: str, expression: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    op.execute(f"UPDATE {table} SET {column} = {expression}")  # noqa: S608


def _add_certificate_names(connection: sa.Connection) -> None:
    statement = sa.text("SELECT fingerprint, names FROM certificates").execution_options(yield_per=1000)
    found = connection.execute(statement)
    insert = sa.text(
        "INSERT INTO certificate_names (fingerprint, name, reversed) VALUES (:fingerprint, :name, :reversed)"
    )
    for part in found.partitions():
        rows = [
            {"fingerprint": fingerprint, "name": name, "reversed": name[::-1]}
            for fingerprint, names in part
            for name in sorted({each.lower() for each in json.loads(names)})
        ]
        if rows:
            connection.execute(insert, rows)


# As core/addresses.py and hosts/search/values.py made them at this revision.
def _address_key(address: str) -> str:
    family, version = (AF_INET6, "6") if ":" in address else (AF_INET, "4")
    return version + inet_pton(family, address).hex()


def _version_key(version: str) -> str:
    return " ".join(map(_part_key, re.findall(r"[0-9]+|[^\W\d_]+", version[:200].lower())))


def _part_key(part: str) -> str:
    if not part.isascii() or not part.isdigit():
        return "1" + part
    digits = part.lstrip("0") or "0"
    return f"2{len(digits):03}{digits}"
