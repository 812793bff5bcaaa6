"""Scores of hosts with a connection whose ends a better line corrected."""

from sqlalchemy import insert, select

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import findings as table
from cobalt_tasks.db.tables import ports
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store import write_batch
from cobalt_tasks.threat import corrected_hosts, scoring
from cobalt_tasks.threat import rules as threat
from tests.support.evidence import PAST, see


def test_a_corrected_direction_moves_the_findings(database: Database, rules: threat.Rules) -> None:
    """When a better line turns a connection round, the host it does not go to loses its finding, unless another shows it.

    The other end gets it, and a host that does not connect to others after all is no new listener that talks. What was
    scored before the correction and what was not come to the same. Break: `corrected.queue` in ingest/store/identities.py.
    """

    def flow(server: str, authority: Authority, *, turned: bool = False) -> None:
        one, other = ("192.0.2.7", 50022), (server, 22)
        (src_ip, src_port), (dst_ip, dst_port) = (other, one) if turned else (one, other)
        batch = Batch(1, PAST, "suricata")
        batch.observe(
            Observation(
                src_ip=src_ip, src_port=src_port, dst_ip=dst_ip, dst_port=dst_port, identity=server, authority=authority
            )
        )
        database.write(write_batch.write, batch)

    see(database, ("192.0.2.9", "198.51.100.2", 22))
    with database.writing() as connection:
        for address in ("203.0.113.1", "192.0.2.7"):
            connection.execute(
                insert(ports).values(
                    address=address, protocol="tcp", port=22, first_seen=PAST, last_seen=PAST, seen_in_traffic=True
                )
            )
    for server in ("203.0.113.1", "198.51.100.2"):
        flow(server, Authority.PACKET)
    flow("203.0.113.3", Authority.PACKET, turned=True)
    scoring.keep_up(database, rules)
    assert traffic_findings(database) == {
        ("198.51.100.2", "risky_port"),
        ("203.0.113.1", "risky_port"),
        ("192.0.2.7", "new_listener_talks"),
    }
    for server in ("203.0.113.1", "198.51.100.2"):
        flow(server, Authority.FLOW, turned=True)
    flow("203.0.113.3", Authority.FLOW)
    scoring.keep_up(database, rules)
    assert traffic_findings(database) == {
        ("198.51.100.2", "risky_port"),
        ("203.0.113.3", "risky_port"),
        ("203.0.113.1", "new_listener_talks"),
        ("192.0.2.7", "new_listener_talks"),
    }
    assert scoring.keep_up(database, rules) == 0
    flow("203.0.113.3", Authority.FLOW)
    assert scoring.keep_up(database, rules) == 0


def test_corrected_hosts_are_read_by_the_size_of_a_page(database: Database, rules: threat.Rules) -> None:
    """The smallest page reads the connections of few of those that wait: were they all very busy, none would ever end.

    Break: a number of hosts in corrected_hosts.read that does not go by the page.
    """
    with database.writing() as connection:
        corrected_hosts.queue(connection, [f"192.0.2.{number}" for number in range(1, 21)])
    assert scoring._page(database, rules, 1_000) == 2
    assert scoring.keep_up(database, rules) == 18
    assert scoring.keep_up(database, rules) == 0


def traffic_findings(database: Database) -> set[tuple[str, str]]:
    """The host and the rule of each finding from connections."""
    with database.reading() as connection:
        found = select(table.c.address, table.c.rule).where(table.c.source == "traffic")
        return {(row.address, row.rule) for row in connection.execute(found)}
