"""Scoring: of what is new, in every sweep; or of all hosts, after the rules have changed."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from sqlalchemy import Connection

from cobalt_tasks.core.errors import OutOfTimeError
from cobalt_tasks.core.read_ahead import read_ahead
from cobalt_tasks.db import cursors
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import notes
from cobalt_tasks.threat import corrected_hosts, first_scores, host_scores, unscored
from cobalt_tasks.threat import store as findings
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import Rules
from cobalt_tasks.threat.traffic import of_sources, of_targets
from cobalt_tasks.threat.unscored import Span

_MOMENT_SECONDS = 7.0
"""How long scoring goes on within a round, as long as there is something new: less than the round may take."""

_PAGE_SECONDS = 0.5
_SMALLEST_PAGE, _LARGEST_PAGE = 1_000, 100_000
"""Observations that are read at once: as many as take about _PAGE_SECONDS. What is seen often costs less in a large page."""

_OBSERVATIONS_FOR_A_JOB = 5
_OBSERVATIONS_FOR_A_CORRECTION = 500
"""What one job, and one host with a corrected connection, costs of a page."""

_HOSTS_AT_ONCE = 1_000
_PAGES_AT_ONCE = 4
"""Pages of hosts that are scored at once where all are: while one is computed, a database server works on others and on their
commits."""

_EVIDENCE_AT_ONCE = 1_000
_SEEN_AGAIN_SECONDS = 600.0
"""A finding that is seen again is written only if it is so much newer."""


def keep_up(database: Database, rules: Rules) -> int:
    """Score hosts with new facts or connections, for 7 seconds at most; return how many.

    What it costs goes with the hosts that are seen, not with the connections. Two at once do the same work twice, and come
    to the same result. A page that the time of the round ends for is read again in the next.

    database: the ledger; rules: the rules in force.

    Raises:
        OutOfTimeError: not even one page was done in the time of the round.

    """
    deadline = time.monotonic() + _MOMENT_SECONDS
    total, pages, most = 0, 0, _SMALLEST_PAGE
    while (began := time.monotonic()) < deadline:
        try:
            count = _page(database, rules, most)
        except OutOfTimeError:
            if not pages:
                raise
            break
        if count is None:
            if pages:
                database.write(first_scores.mark_if_all_is_read)
            break
        total, pages = total + count, pages + 1
        most = _next_size(most, time.monotonic() - began)
    return total


def _next_size(size: int, seconds: float) -> int:
    """Return how many observations to read after a page of `size` that took `seconds`."""
    if seconds > _PAGE_SECONDS:
        return max(_SMALLEST_PAGE, size // 2)
    return min(_LARGEST_PAGE, size * 2) if seconds < _PAGE_SECONDS / 2 else size


def recompute(
    database: Database, rules: Rules, report: Callable[[int], None], describe: Callable[[str], object] = str
) -> Iterator[host_scores.ScoreChange]:
    """Compute all findings and scores again from the ledger; yield the scores that changed. It can be stopped and run again.

    Args:
        database: the ledger.
        rules: the rules in force.
        report: called with the number of hosts of each page.
        describe: called with one line of text about progress through the connections.

    """
    with database.reading() as connection:
        end = unscored.last_settled(connection)
    last = 0
    # Findings are written while the next page is read.
    for ids, found in read_ahead(_looked_through(database, rules, end)):
        _add(database, rules, found)
        last = ids.upto
        describe(f"connections looked through: {last / end:.0%}")
    for page, changed in _score_all(database, rules):
        yield from changed
        report(len(page))
    database.write(cursors.move, unscored.OBSERVED, last)


def _looked_through(database: Database, rules: Rules, end: int) -> Iterator[tuple[Span, list[Finding]]]:
    """Yield pages of connections, up to the one with the id `end`, with the findings from them that are to be written."""
    ids = Span(above=0, upto=0)
    while ids.upto < end:
        with database.reading() as connection:
            ids = unscored.settled_observations(connection, ids.upto, _LARGEST_PAGE)
            if ids.upto == ids.above:
                return
            new, again = _compare(connection, rules, _traffic(connection, rules, ids))
        yield ids, [*new, *again]


def _score_all(database: Database, rules: Rules) -> Iterator[tuple[Sequence[str], list[host_scores.ScoreChange]]]:
    """Score all hosts by the findings of now; yield the hosts of each page, with the scores that changed, in their order."""

    def score(page: Sequence[str]) -> tuple[Sequence[str], list[host_scores.ScoreChange]]:
        return page, host_scores.score(database, page, rules, everything=True)

    pages, at_once = _pages(database), 1 if database.is_sqlite else _PAGES_AT_ONCE
    with ThreadPoolExecutor(at_once, thread_name_prefix="scoring") as threads:
        going = deque(threads.submit(score, page) for page in islice(pages, at_once))
        while going:
            done = going.popleft().result()
            going.extend(threads.submit(score, page) for page in islice(pages, 1))
            yield done


def _pages(database: Database) -> Iterator[list[str]]:
    after = ""
    while True:
        with database.reading() as connection:
            page = findings.addresses(connection, after, _HOSTS_AT_ONCE)
        if not page:
            return
        after = page[-1]
        yield page


def _page(database: Database, rules: Rules, most: int) -> int | None:
    """Read a page of what is new, and score its hosts; return how many, or None when nothing is new."""
    with database.reading() as connection:
        observed, ended = cursors.position(connection, unscored.OBSERVED), cursors.moment(connection, unscored.ENDED)
        ids = unscored.settled_observations(connection, observed, most)
        end, changed = unscored.settled_jobs(connection, ended, most // _OBSERVATIONS_FOR_A_JOB)
        queued, hosts = unscored.queued(connection, most // _OBSERVATIONS_FOR_A_JOB)
        moved = corrected_hosts.read(connection, rules, most // _OBSERVATIONS_FOR_A_CORRECTION)
        if ids.upto == observed and end == ended and not queued and not moved.queued:
            return None
        changed |= hosts | moved.hosts
        new, again = _compare(connection, rules, _traffic(connection, rules, ids))
        changed |= {each.address for each in new}
        seen = unscored.hosts(connection, ids)
        changed |= findings.unscored(connection, sorted(seen - changed), time.time() - host_scores.GOOD_SECONDS)
    of_host: dict[str, list[Finding]] = defaultdict(list)
    for each in (*new, *moved.found):
        of_host[each.address].append(each)
    addresses = sorted(changed)
    for start in range(0, len(addresses), _HOSTS_AT_ONCE):
        page = addresses[start : start + _HOSTS_AT_ONCE]
        traffic = [each for address in page for each in of_host.get(address, ())]
        host_scores.score(database, page, rules, host_scores.FromTraffic(traffic, moved.whole))
    _add(database, rules, again)
    database.write(_move, ids.upto, end, queued, moved.queued)
    return len(addresses)


def _move(connection: Connection, observed: int, ended: float, changed: Sequence[int], moved: Sequence[int]) -> None:
    cursors.move(connection, unscored.OBSERVED, observed)
    cursors.move_to_moment(connection, unscored.ENDED, ended)
    unscored.remove(connection, changed)
    corrected_hosts.remove(connection, moved)


def _traffic(connection: Connection, rules: Rules, ids: Span) -> list[Finding]:
    """Return the findings from the observations `ids`."""
    which = unscored.within(ids)
    return of_targets(connection, rules, which) + of_sources(connection, rules, which)


def _compare(connection: Connection, rules: Rules, traffic: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Return (new, again): what changes a score, and what is only to be written as seen later, or by these rules."""
    addresses, by = sorted({each.address for each in traffic}), {each.rule for each in traffic}
    marks = findings.marks(connection, addresses, by)
    new, again = [], []
    for each in traffic:
        before = marks.get(findings.key(each))
        if before is None or before.points != each.points:
            new.append(each)
        elif before.rule_version != rules.version or each.observed_at > before.observed_at + _SEEN_AGAIN_SECONDS:
            again.append(each)
    return new, again


def _add(database: Database, rules: Rules, found: Sequence[Finding]) -> None:
    for start in range(0, len(found), _EVIDENCE_AT_ONCE):
        database.write(findings.add, found[start : start + _EVIDENCE_AT_ONCE], rules.version)


def score_again(database: Database, addresses: Sequence[str], rules: Rules) -> None:
    """Score hosts whose findings were accepted, or are not any more.

    database: the ledger; addresses: the hosts; rules: the rules in force.
    """
    for start in range(0, len(addresses), _HOSTS_AT_ONCE):
        host_scores.score(database, addresses[start : start + _HOSTS_AT_ONCE], rules)


def expire_notes(database: Database, rules: Rules) -> None:
    """End the notes in `database` whose time is over, and score their hosts again by `rules`. For the upkeep round."""
    score_again(database, sorted(database.write(notes.expire, time.time())), rules)
