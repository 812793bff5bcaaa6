"""The triggers that keep the counts (`counts.py`), for each database. Inserting is the hot path: few triggers are there."""

from collections.abc import Iterator

from sqlalchemy import DDL, MetaData, event

UNSTARTED = "unstarted geolocation"
"""The name of a count: hosts without a row of geolocation in `freshness`, whose first job has been pending since it was made.

The job leaves such a row when it ceases to be pending. With those rows they are the hosts in the coverage of geolocation,
whatever becomes of the jobs; a row for each new job would slow input down.
"""

COVERED = "covered geolocation"
"""The name of a count: rows of geolocation in `freshness`, the hosts whose first job has ceased to be pending."""

LOCATED = "located hosts"
"""The name of a count: rows of `locations` with a country or coordinates. A look-up that found nothing leaves one without."""

_TABLES = ("observations", "hosts", "ports")
_KEY = "kind, address, protocol, port"
_PENDING = "{0}.state = 'pending' AND {0}.kind = 'geolocation'"

_LOCATED = "({0}.country_code IS NOT NULL OR {0}.latitude IS NOT NULL)"

_SQLITE_ADD = (
    "INSERT INTO counts (name, slot, number) {values} "
    "ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number"
)
_POSTGRESQL_ADD = (
    "INSERT INTO counts (name, slot, number) SELECT name, pg_backend_pid(), sum(change) FROM ({changes}) AS changes "
    "GROUP BY name HAVING sum(change) <> 0 "
    "ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number"
)


def attach(metadata: MetaData) -> None:
    """Make `metadata.create_all` create the triggers too."""
    for dialect in ("sqlite", "postgresql"):
        for statement in triggers(dialect):
            made = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(metadata, "after_create", made.execute_if(dialect=dialect))


def triggers(dialect: str) -> list[str]:
    """Return the statements that make the triggers, for "sqlite" or "postgresql"."""
    return list(_sqlite() if dialect == "sqlite" else _postgresql())


def _known(row: str) -> str:
    same = " AND ".join(f"known.{name} = {row}.{name}" for name in _KEY.split(", "))
    return f"EXISTS (SELECT 1 FROM freshness AS known WHERE {same})"  # noqa: S608  # our own names


def _sqlite() -> Iterator[str]:
    for table in _TABLES:
        yield f"CREATE TRIGGER count_{table}_delete AFTER DELETE ON {table} BEGIN {_sqlite_add(repr(table), -1)}; END"
    old = _sqlite_add("'jobs ' || old.kind || ' ' || old.state", -1)
    new = _sqlite_add("'jobs ' || new.kind || ' ' || new.state", 1)
    started = _SQLITE_ADD.format(values=f"SELECT '{UNSTARTED}', 0, -1 WHERE NOT {_known('old')}")
    cover = (
        f"INSERT INTO freshness ({_KEY}) VALUES (old.kind, old.address, old.protocol, old.port) "  # noqa: S608
        "ON CONFLICT DO NOTHING"
    )
    first = _PENDING.format("old")
    changed = "new.state <> old.state"
    yield f"CREATE TRIGGER count_jobs_update AFTER UPDATE OF state ON jobs WHEN {changed} BEGIN {old}; {new}; END"
    yield (
        f"CREATE TRIGGER cover_jobs_update AFTER UPDATE OF state ON jobs WHEN {changed} AND {first} "
        f"BEGIN {started}; {cover}; END"
    )
    for verb, row, change in (("INSERT", "new", 1), ("DELETE", "old", -1)):
        yield (
            f"CREATE TRIGGER count_freshness_{verb.lower()} AFTER {verb} ON freshness WHEN {row}.kind = 'geolocation' "
            f"BEGIN {_sqlite_add(repr(COVERED), change)}; END"
        )
    yield from _sqlite_located()
    yield f"CREATE TRIGGER count_jobs_delete AFTER DELETE ON jobs BEGIN {old}; END"
    yield f"CREATE TRIGGER cover_jobs_delete AFTER DELETE ON jobs WHEN {first} BEGIN {started}; END"


def _sqlite_located() -> Iterator[str]:
    new, old = _LOCATED.format("new"), _LOCATED.format("old")
    for verb, condition, change in (
        ("INSERT", new, "1"),
        ("DELETE", old, "-1"),
        ("UPDATE", f"{new} <> {old}", f"{new} - {old}"),
    ):
        yield (
            f"CREATE TRIGGER count_locations_{verb.lower()} AFTER {verb} ON locations WHEN {condition} "
            f"BEGIN {_sqlite_add(repr(LOCATED), change)}; END"
        )


def _sqlite_add(name: str, change: int | str) -> str:
    return _SQLITE_ADD.format(values=f"VALUES ({name}, 0, {change})")


def _postgresql() -> Iterator[str]:
    for table in _TABLES:
        if table != "observations":
            yield from _function(f"count_{table}_insert", table, "INSERT", _rows(table, "new_rows", 1))
        yield from _function(f"count_{table}_delete", table, "DELETE", _rows(table, "old_rows", -1))
    for verb, rows, change in (("INSERT", "new_rows", 1), ("DELETE", "old_rows", -1)):
        covered = f"{_rows(COVERED, rows, change)} WHERE kind = 'geolocation'"
        yield from _function(f"count_freshness_{verb.lower()}", "freshness", verb, covered)
    yield from _postgresql_located()
    old = "SELECT 'jobs ' || kind || ' ' || state AS name, -1 AS change FROM old_rows"
    new = "SELECT 'jobs ' || kind || ' ' || state AS name, 1 AS change FROM new_rows"
    made, gone = (
        f"SELECT '{UNSTARTED}', {change} FROM {rows} WHERE {_PENDING.format(rows)} AND NOT {_known(rows)}"  # noqa: S608
        for rows, change in (("new_rows", 1), ("old_rows", -1))
    )
    started = (
        f"SELECT old_rows.{_KEY.replace(', ', ', old_rows.')} FROM old_rows JOIN new_rows ON new_rows.id = old_rows.id "  # noqa: S608
        f"WHERE {_PENDING.format('old_rows')} AND new_rows.state <> 'pending' ORDER BY 1, 2, 3, 4"
    )
    cover = (
        f"WITH covered AS (INSERT INTO freshness ({_KEY}) {started} ON CONFLICT DO NOTHING RETURNING 1) "  # noqa: S608
        + _POSTGRESQL_ADD.format(changes=f"SELECT '{UNSTARTED}' AS name, -1 AS change FROM covered")  # noqa: S608
        + ";"
    )
    yield from _function("count_jobs_insert", "jobs", "INSERT", f"{new} UNION ALL {made}")
    yield from _function("count_jobs_update", "jobs", "UPDATE", f"{old} UNION ALL {new}", cover)
    yield from _function("count_jobs_delete", "jobs", "DELETE", f"{old} UNION ALL {gone}")


def _postgresql_located() -> Iterator[str]:
    new, old = (
        f"{_rows(LOCATED, rows, change)} WHERE {_LOCATED.format(rows)}"
        for rows, change in (("new_rows", 1), ("old_rows", -1))
    )
    for verb, changes in (("INSERT", new), ("DELETE", old), ("UPDATE", f"{old} UNION ALL {new}")):
        yield from _function(f"count_locations_{verb.lower()}", "locations", verb, changes)


def _rows(name: str, rows: str, change: int) -> str:
    return f"SELECT '{name}' AS name, count(*) * {change} AS change FROM {rows}"  # noqa: S608  # our own names


def _function(name: str, table: str, verb: str, changes: str, more: str = "") -> Iterator[str]:
    body = f"{_POSTGRESQL_ADD.format(changes=changes)}; {more} RETURN NULL;"
    yield f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$"
    seen = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
    tables = seen.get(verb, f"{seen['DELETE']} {seen['INSERT']}")
    yield (
        f"CREATE TRIGGER {name} AFTER {verb} ON {table} REFERENCING {tables} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    )
