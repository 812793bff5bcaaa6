"""What the search needs beside the tables of facts: indexes of folded text, texts to search in, and values taken apart.

Text is compared in lower case and byte by byte (PostgreSQL's collation "C"), so that an index serves for the start of a
text as well, whatever the collation of the database.
"""

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from cobalt_tasks.db.tables.base import ByteOrder, RowId, metadata

# The different versions of products, with a text in whose order they are compared.
versions = Table(
    "versions",
    metadata,
    Column("version", Text, primary_key=True),
    Column("sort_key", ByteOrder, nullable=False),
    Index("ix_versions_sort_key", "sort_key"),
)

certificate_names = Table(
    "certificate_names",
    metadata,
    Column("fingerprint", Text, nullable=False),
    Column("name", ByteOrder, nullable=False),
    Column("reversed", ByteOrder, nullable=False),
    PrimaryKeyConstraint("fingerprint", "name"),
    Index("ix_certificate_names_name", "name"),
    Index("ix_certificate_names_reversed", "reversed"),
)

# The words of a host (protocol '', port 0) and of each of its ports, in lower case, without punctuation.
search_texts = Table(
    "search_texts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("address", "protocol", "port"),
)

# Hosts whose texts changed. Rows are only added and removed, never updated: writers do not wait for each other.
search_queue = Table(
    "search_queue",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("address", Text, nullable=False),
)

# How many hosts or ports ("target") have a value of a field, of the most frequent ones; field '' for all rows.
facet_counts = Table(
    "facet_counts",
    metadata,
    Column("target", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("counted_at", Double, nullable=False),
    PrimaryKeyConstraint("target", "field", "value"),
)

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
"""SQLite's full text index of `search_texts`, and what keeps it."""

WORDS = "to_tsvector('simple'::regconfig, body)"
"""The expression that PostgreSQL's full text index of `search_texts` holds."""

for _statement in FTS:
    event.listen(search_texts, "after_create", DDL(_statement).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
_drop = DDL("DROP TABLE IF EXISTS search_index")  # type: ignore[no-untyped-call]
event.listen(search_texts, "before_drop", _drop.execute_if(dialect="sqlite"))
Index("ix_search_texts_words", text(WORDS), postgresql_using="gin", _table=search_texts).ddl_if("postgresql")


def add_indexes(*columns: tuple[Table, str]) -> None:
    """Add an index of each column (of a table) in lower case, of rows that have a value there."""
    for table, column in columns:
        name, only = f"ix_{table.name}_folded_{column}", text(f"{column} IS NOT NULL")
        for dialect, order in (("sqlite", ""), ("postgresql", ' COLLATE "C"')):
            where: dict[str, Any] = {f"{dialect}_where": only}
            Index(name, text(f"lower({column}){order}"), _table=table, **where).ddl_if(dialect)
