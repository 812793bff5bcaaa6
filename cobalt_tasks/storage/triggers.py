"""The triggers that keep the counts (`counts.py`), for each database."""

from collections.abc import Iterator

from sqlalchemy import DDL, MetaData, event

COUNTED = ""
"""The claim of a new job on SQLite that its writer counts, many at once. A job that is claimed has another."""

_TABLES = ("observations", "hosts", "ports")

# A job that is the first on its host makes the host count in the coverage of geolocation, whatever becomes of the job.
_COVER = "INSERT INTO freshness (kind, address, protocol, port) SELECT"
_COVERED = "kind = 'geolocation'"

_SQLITE_ADD = (
    "INSERT INTO counts (name, slot, number) VALUES ({name}, 0, {change}) "
    "ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number"
)
_POSTGRESQL_ADD = (
    "INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM ({changes}) AS changes "
    "GROUP BY name HAVING sum(change) <> 0 "
    "ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number"
)


def attach(metadata: MetaData) -> None:
    """Let `metadata.create_all` make the triggers too."""
    for dialect in ("sqlite", "postgresql"):
        for statement in triggers(dialect):
            made = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(metadata, "after_create", made.execute_if(dialect=dialect))


def triggers(dialect: str) -> list[str]:
    """Return the statements that make the triggers, for "sqlite" or "postgresql"."""
    return list(_sqlite() if dialect == "sqlite" else _postgresql())


def _sqlite() -> Iterator[str]:
    # A trigger would cost as much as the row itself. New observations have the next id, so that only those deleted are
    # counted: the count is the greatest id and this number.
    last = "coalesce((SELECT max(id) FROM observations), 0)"
    missing = f"max(old.id, {last}) - {last} - 1"
    gone = _SQLITE_ADD.format(name="'observations'", change=missing)
    yield f"CREATE TRIGGER count_observations_delete AFTER DELETE ON observations BEGIN {gone}; END"
    for table in ("hosts", "ports"):
        for verb, change in (("INSERT", 1), ("DELETE", -1)):
            add = _SQLITE_ADD.format(name=f"'{table}'", change=change)
            yield f"CREATE TRIGGER count_{table}_{verb.lower()} AFTER {verb} ON {table} BEGIN {add}; END"
    old = _SQLITE_ADD.format(name="'jobs ' || old.kind || ' ' || old.state", change=-1)
    new = _SQLITE_ADD.format(name="'jobs ' || new.kind || ' ' || new.state", change=1)
    cover = f"{_COVER} new.kind, new.address, new.protocol, new.port WHERE new.{_COVERED} ON CONFLICT DO NOTHING"
    yield f"CREATE TRIGGER count_jobs_insert AFTER INSERT ON jobs WHEN new.claim IS NOT '{COUNTED}' BEGIN {new}; {cover}; END"
    yield (
        "CREATE TRIGGER count_jobs_update AFTER UPDATE OF state ON jobs WHEN new.state <> old.state "
        f"BEGIN {old}; {new}; END"
    )
    yield f"CREATE TRIGGER count_jobs_delete AFTER DELETE ON jobs BEGIN {old}; END"


def _postgresql() -> Iterator[str]:
    for table in _TABLES:
        yield from _function(f"count_{table}_insert", table, "INSERT", _rows(table, "new_rows", 1))
        yield from _function(f"count_{table}_delete", table, "DELETE", _rows(table, "old_rows", -1))
    old = "SELECT 'jobs ' || kind || ' ' || state AS name, -1 AS change FROM old_rows"
    new = "SELECT 'jobs ' || kind || ' ' || state AS name, 1 AS change FROM new_rows"
    key = "kind, address, protocol, port"
    cover = f"{_COVER} DISTINCT {key} FROM new_rows WHERE {_COVERED} ORDER BY {key} ON CONFLICT DO NOTHING;"
    yield from _function("count_jobs_insert", "jobs", "INSERT", new, cover)
    yield from _function("count_jobs_update", "jobs", "UPDATE", f"{old} UNION ALL {new}")
    yield from _function("count_jobs_delete", "jobs", "DELETE", old)


def _rows(table: str, rows: str, change: int) -> str:
    return f"SELECT '{table}' AS name, count(*) * {change} AS change FROM {rows}"  # noqa: S608  # our own names


def _function(name: str, table: str, verb: str, changes: str, more: str = "") -> Iterator[str]:
    body = f"{_POSTGRESQL_ADD.format(changes=changes)}; {more} RETURN NULL;"
    yield f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$"
    seen = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
    tables = seen.get(verb, f"{seen['DELETE']} {seen['INSERT']}")
    yield (
        f"CREATE TRIGGER {name} AFTER {verb} ON {table} REFERENCING {tables} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    )
