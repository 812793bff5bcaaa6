"""What scoring reads of a thousand hosts is found by indexes, however many others there are."""

import re

from sqlalchemy import insert

from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import certificates, ports, sightings
from cobalt_tasks.threat import store
from tests.support.plans import plans

HOSTS = 12_000
ASKED = 300
WALKS = re.compile(r"SCAN (ports|sightings|certificates)$|Seq Scan on (ports|sightings|certificates)", re.MULTILINE)


def test_the_facts_of_some_hosts_are_found_by_index(database: Database) -> None:
    """No table is read from end to end for the ports of some hosts and the certificates seen there.

    Break: leave PostgreSQL its cost of a random page.
    """
    addresses = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(HOSTS)]
    at = {"protocol": "tcp", "port": 443, "first_seen": 1.0, "last_seen": 2.0}
    certificate = {"der": b"", "subject": "CN=a", "issuer": "CN=a", "serial": "1", "names": "[]", "self_signed": True}
    certificate |= {"not_before": 1.0, "not_after": 2.0}
    with database.writing() as connection:
        connection.execute(insert(certificates), [certificate | {"fingerprint": each} for each in addresses])
        connection.execute(insert(ports), [at | {"address": each} for each in addresses])
        connection.execute(
            insert(sightings), [at | {"address": each, "fingerprint": each, "source": "probe"} for each in addresses]
        )
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    with plans(database) as found, database.reading() as connection:
        known = store.known(connection, addresses[:ASKED])
    assert [each.ports[0].self_signed for each in known] == [True] * ASKED
    assert any("sightings" in plan for plan in found)
    assert not [plan for plan in found if WALKS.search(plan)]
