"""Keeping scores: a little with every sweep, or everything again after the rules have changed."""

import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Connection

from cobalt_tasks import threat
from cobalt_tasks.storage import cursors, evidence
from cobalt_tasks.storage.engine import Database
from cobalt_tasks.storage.evidence import Span
from cobalt_tasks.threat import Contact, Rules

_MOMENT_SECONDS = 2.0
_OBSERVATIONS_AT_ONCE = 10_000
_JOBS_AT_ONCE = 1_000
_HOSTS_AT_ONCE = 250
_OBSERVED, _ENDED = "evidence: observations", "evidence: jobs"


class Change(Struct, frozen=True, kw_only=True):
    """A score that is not what it was; `before` is None for a host that had none."""

    address: str
    before: float | None
    after: float


def keep_up(database: Database, rules: Rules) -> int:
    """Score the hosts about which something new is known, as many as fit into a moment; return how many.

    Two at once do the same work twice, and come to the same result.
    """
    deadline = time.monotonic() + _MOMENT_SECONDS
    total = 0
    while time.monotonic() < deadline and (count := _page(database, rules)) is not None:
        total += count
    return total


def recompute(database: Database, rules: Rules, report: Callable[[int], None]) -> Iterator[Change]:
    """Compute everything again from what the ledger knows; give what has changed. Nobody is asked about anything.

    `report` is called with the number of hosts of each page. Stopped in the middle, it can be begun again.
    """
    with database.reading() as connection:
        ids = evidence.settled_observations(connection, 0.0, None)
    _add_traffic(database, rules, ids)
    after = ""
    while True:
        with database.reading() as connection:
            page = evidence.addresses(connection, after, _HOSTS_AT_ONCE)
        if not page:
            break
        after = page[-1]
        yield from database.write(_score, page, rules, everything=True)
        report(len(page))
    database.write(cursors.move, _OBSERVED, ids.upto)


def _page(database: Database, rules: Rules) -> int | None:
    """Read a page of what is new, and score its hosts; return how many, or None when nothing is new."""
    with database.reading() as connection:
        observed, ended = cursors.position(connection, _OBSERVED), cursors.position(connection, _ENDED)
        ids = evidence.settled_observations(connection, observed, _OBSERVATIONS_AT_ONCE)
        seen = evidence.ends(connection, ids) if ids.upto > observed else set()
        end, changed = evidence.settled_jobs(connection, ended, _JOBS_AT_ONCE)
    if ids.upto == observed and end == ended:
        return None
    _add_traffic(database, rules, ids)
    addresses = sorted(seen | changed)
    for start in range(0, len(addresses), _HOSTS_AT_ONCE):
        database.write(_score, addresses[start : start + _HOSTS_AT_ONCE], rules, everything=False)
    database.write(cursors.move, _OBSERVED, ids.upto)
    database.write(cursors.move, _ENDED, end)
    return len(addresses)


def _add_traffic(database: Database, rules: Rules, ids: Span) -> None:
    contact: Contact | None = None
    while True:
        with database.reading() as connection:
            contacts = evidence.contacts(connection, rules.risky_ports, ids, contact, _HOSTS_AT_ONCE)
        if not contacts:
            break
        contact = contacts[-1]
        database.write(evidence.add, [found for each in contacts for found in rules.of_contact(each)], rules.version)
    after = ""
    while True:
        with database.reading() as connection:
            talkers = evidence.talkers(connection, ids, after, _HOSTS_AT_ONCE)
        if not talkers:
            break
        after = talkers[-1].address
        database.write(evidence.add, [found for each in talkers for found in rules.of_talker(each)], rules.version)


def _score(connection: Connection, addresses: Sequence[str], rules: Rules, *, everything: bool) -> list[Change]:
    now = time.time()
    before = evidence.scores_of(connection, addresses)
    found = [each for known in evidence.known(connection, addresses) for each in rules.of_host(known, now)]
    evidence.replace(connection, addresses, found, rules.version, everything=everything)
    of_hosts = evidence.of_hosts(connection, addresses)
    after = {address: threat.score(of_hosts.get(address, ())) for address in addresses}
    evidence.write_scores(connection, after, rules.version)
    changes = []
    for address, score in after.items():
        old = before[address].score if address in before else None
        if score != (old or 0.0):
            changes.append(Change(address=address, before=old, after=score))
    return changes
