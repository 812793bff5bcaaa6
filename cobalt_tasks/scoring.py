"""Keeping scores: a little with every sweep, or everything again after the rules have changed."""

import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Connection

from cobalt_tasks import threat
from cobalt_tasks.storage import cursors, evidence, unscored
from cobalt_tasks.storage.engine import Database
from cobalt_tasks.storage.unscored import Span
from cobalt_tasks.threat import Evidence, Rules

_MOMENT_SECONDS = 2.0
_OBSERVATIONS_AT_ONCE = 10_000
_JOBS_AT_ONCE = 2_000
_HOSTS_AT_ONCE = 500
_EVIDENCE_AT_ONCE = 1_000
_GOOD_SECONDS = 3600.0
"""For how long a score holds against connections that show nothing new."""


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


def recompute(
    database: Database, rules: Rules, report: Callable[[int], None], describe: Callable[[str], object] = str
) -> Iterator[Change]:
    """Compute everything again from what the ledger knows; give what has changed. Nobody is asked about anything.

    `report` is called with the number of hosts of each page, `describe` with a line about the connections that are looked
    through before. Stopped in the middle, it can be begun again.
    """
    with database.reading() as connection:
        end = unscored.last_settled(connection)
    ids = Span(above=0, upto=0)
    while ids.upto < end:
        with database.reading() as connection:
            ids = unscored.settled_observations(connection, ids.upto, _OBSERVATIONS_AT_ONCE)
        if ids.upto == ids.above:
            break
        _add(database, rules, _traffic(database, rules, ids))
        describe(f"connections looked through: {ids.upto / end:.0%}")
    after = ""
    while True:
        with database.reading() as connection:
            page = evidence.addresses(connection, after, _HOSTS_AT_ONCE)
        if not page:
            break
        after = page[-1]
        yield from database.write(_score, page, rules, everything=True)
        report(len(page))
    database.write(cursors.move, unscored.OBSERVED, ids.upto)


def _page(database: Database, rules: Rules) -> int | None:
    """Read a page of what is new, and score its hosts; return how many, or None when nothing is new."""
    with database.reading() as connection:
        observed, ended = cursors.position(connection, unscored.OBSERVED), cursors.moment(connection, unscored.ENDED)
        ids = unscored.settled_observations(connection, observed, _OBSERVATIONS_AT_ONCE)
        end, changed = unscored.settled_jobs(connection, ended, _JOBS_AT_ONCE)
    if ids.upto == observed and end == ended:
        return None
    traffic = _traffic(database, rules, ids) if ids.upto > observed else []
    with database.reading() as connection:
        changed |= evidence.unknown(connection, traffic)
        seen = sorted(unscored.ends(connection, ids)) if ids.upto > observed else []
        changed |= evidence.unscored(connection, seen, time.time() - _GOOD_SECONDS)
    addresses = sorted(changed)
    for start in range(0, len(addresses), _HOSTS_AT_ONCE):
        page = set(addresses[start : start + _HOSTS_AT_ONCE])
        # With the scores that it changes, or not at all: what is known already makes no host be scored again.
        new = [each for each in traffic if each.address in page]
        database.write(_add_and_score, sorted(page), rules, new)
    _add(database, rules, [each for each in traffic if each.address not in changed])
    database.write(cursors.move, unscored.OBSERVED, ids.upto)
    database.write(cursors.move_to_moment, unscored.ENDED, end)
    return len(addresses)


def _traffic(database: Database, rules: Rules, ids: Span) -> list[Evidence]:
    """Return the evidence that lies in some observations."""
    with database.reading() as connection:
        contacts = unscored.contacts(connection, rules.risky_ports, ids)
        talkers = unscored.talkers(connection, ids)
    found = [piece for each in contacts for piece in rules.of_contact(each)]
    return found + [piece for each in talkers for piece in rules.of_talker(each)]


def _add(database: Database, rules: Rules, found: Sequence[Evidence]) -> None:
    for start in range(0, len(found), _EVIDENCE_AT_ONCE):
        database.write(evidence.add, found[start : start + _EVIDENCE_AT_ONCE], rules.version)


def _add_and_score(connection: Connection, addresses: Sequence[str], rules: Rules, found: Sequence[Evidence]) -> None:
    evidence.add(connection, found, rules.version)
    _score(connection, addresses, rules, everything=False)


def _score(connection: Connection, addresses: Sequence[str], rules: Rules, *, everything: bool) -> list[Change]:
    now = time.time()
    before = evidence.scores_of(connection, addresses)
    found = [each for known in evidence.known(connection, addresses) for each in rules.of_host(known, now)]
    of_hosts = evidence.replace(connection, addresses, found, rules.version, everything=everything)
    after = {address: threat.score(of_hosts.get(address, ())) for address in addresses}
    evidence.write_scores(connection, after, rules.version)
    changes = []
    for address, score in after.items():
        old = before[address].score if address in before else None
        if score != (old or 0.0):
            changes.append(Change(address=address, before=old, after=score))
    return changes
