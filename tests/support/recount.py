"""Counts for rows that a test inserts itself, past the writers that count them."""

from sqlalchemy import Connection, text

_STATEMENTS = (
    "DELETE FROM counts",
    *(
        f"INSERT INTO counts (name, slot, number) SELECT '{table}', 0, count(*) FROM {table}"
        for table in ("observations", "hosts", "ports")
    ),
    "INSERT INTO counts (name, slot, number) SELECT 'jobs ' || kind || ' ' || state, 0, count(*) FROM jobs GROUP BY kind, state",
    (
        "INSERT INTO freshness (kind, address, protocol, port) SELECT DISTINCT kind, address, protocol, port FROM jobs "
        "WHERE kind = 'geolocation' AND state <> 'pending' ON CONFLICT DO NOTHING"
    ),
    "DELETE FROM counts WHERE name = 'covered geolocation'",
    "INSERT INTO counts (name, slot, number) SELECT 'covered geolocation', 0, count(*) FROM freshness WHERE kind = 'geolocation'",
    (
        "INSERT INTO counts (name, slot, number) SELECT 'located hosts', 0, count(*) FROM locations "
        "WHERE country_code IS NOT NULL OR latitude IS NOT NULL"
    ),
    (
        "INSERT INTO counts (name, slot, number) SELECT 'unstarted geolocation', 0, count(*) FROM jobs "
        "WHERE kind = 'geolocation' AND state = 'pending' AND address NOT IN (SELECT address FROM freshness WHERE kind = 'geolocation')"
    ),
)


def recount(connection: Connection) -> None:
    """Count every row, and leave in `freshness` what jobs leave there when they cease to be pending."""
    for statement in _STATEMENTS:
        connection.execute(text(statement))
