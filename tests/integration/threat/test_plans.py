"""What scoring reads of a thousand hosts is found by indexes, however many others there are."""

import re

from cobalt_tasks.db.engine import Database
from cobalt_tasks.threat import store
from tests.support.plans import plans

HOSTS, ASKED = 40_000, 500
SERIES = f"WITH RECURSIVE series(n) AS (SELECT 10000 UNION ALL SELECT n + 1 FROM series WHERE n < {10_000 + HOSTS})"
AT = "address, protocol, port, first_seen, last_seen"
OF_CERTIFICATE = "fingerprint, der, subject, issuer, serial, not_before, not_after, self_signed, names"
ROWS = [
    ("certificates", OF_CERTIFICATE, "'host ' || n, '', 'CN=a', 'CN=a', '1', 1.0, 2.0, true, '[]'"),
    ("ports", AT, "'host ' || n, 'tcp', 443, 1.0, 2.0"),
    ("sightings", f"{AT}, fingerprint, source", "'host ' || n, 'tcp', 443, 1.0, 2.0, 'host ' || n, 'probe'"),
]
WALKS = re.compile(r"SCAN (ports|sightings|certificates)$|Seq Scan on (ports|sightings|certificates)", re.MULTILINE)


def test_the_facts_of_some_hosts_are_found_by_index(database: Database) -> None:
    """No table is read from end to end for the ports of some hosts and the certificates seen there.

    Break: leave PostgreSQL its cost of a random page.
    """
    with database.writing() as connection:
        for table, columns, values in ROWS:
            connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) {SERIES} SELECT {values} FROM series")
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    with plans(database) as found, database.reading() as connection:
        known = store.known(connection, [f"host {number}" for number in range(20_000, 20_000 + ASKED)])
    assert [each.ports[0].self_signed for each in known] == [True] * ASKED
    assert any("sightings" in plan for plan in found)
    assert not [plan for plan in found if WALKS.search(plan)]
