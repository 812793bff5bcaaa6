"""Scoring some hosts: their findings and scores are computed from the facts, and what differs is written."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection

from cobalt_tasks.core.changes import Change, ChangeKind, score_step
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes, notes
from cobalt_tasks.threat import first_scores
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import store as findings
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import Rules

GOOD_SECONDS = 86_400.0
"""For how long a score holds against connections that show nothing new."""


class ScoreChange(Struct, frozen=True, kw_only=True):
    """A score that differs from the one before; `before` is None for a host without one."""

    address: str
    before: float | None
    after: float


class FromTraffic(Struct, frozen=True):
    """Findings from connections. `whole`: hosts of which all connections were looked through, so these are all there are."""

    found: Sequence[Finding] = ()
    whole: Collection[str] = ()


class _Results(Struct, frozen=True):
    """What scoring some hosts found, to be written.

    Attributes:
        gone: keys of findings that hold no more.
        written: findings that are new or differ.
        first: those of `written` that were not stored when they were compared.
        scores: by address, those that are new, differ or are old.
        before: the scores that were stored when they were compared.

    """

    gone: Sequence[findings.Key]
    written: Sequence[Finding]
    first: Sequence[Finding]
    scores: Mapping[str, float]
    before: Mapping[str, findings.Score]


def score(
    database: Database,
    addresses: Sequence[str],
    rules: Rules,
    traffic: FromTraffic | None = None,
    *,
    everything: bool = False,
) -> list[ScoreChange]:
    """Score hosts; write what differs, and return the scores that changed.

    Args:
        database: the ledger.
        addresses: the hosts.
        rules: the rules in force.
        traffic: what connections showed, None for nothing new.
        everything: all connections were read again, so findings that older rules made from them are removed too.

    """
    now = time.time()
    traffic = traffic or FromTraffic()
    with database.reading() as connection:
        scores = findings.scores_of(connection, addresses)
        before = findings.stored(connection, addresses)
        known = findings.known(connection, addresses)
        accepted = notes.of_findings(connection, addresses)
    after = {findings.key(each): each for each in traffic.found}
    after |= {findings.key(each): each for of_one in known for each in rules.of_host(of_one, now)}
    written = [each for key, each in after.items() if before.get(key) != (each, rules.version)]
    first = [each for each in written if findings.key(each) not in before]
    gone = []
    for key, (each, made_by) in before.items():
        is_traffic = each.source == "traffic" and each.rule in threat.TRAFFIC_RULES
        if is_traffic and each.address not in traffic.whole and (not everything or made_by == rules.version):
            after.setdefault(key, each)
        elif key not in after:
            gone.append(key)
    of_host: dict[str, list[Finding]] = defaultdict(list)
    for each in after.values():
        of_host[each.address].append(each)
    found = {address: threat.score(_not_accepted(accepted, of_host.get(address, ()))) for address in addresses}
    good = {
        address
        for address, each in scores.items()
        if (each.score, each.rule_version) == (found[address], rules.version)
        and each.scored_at > now - GOOD_SECONDS / 2
    }
    stale = {address: each for address, each in found.items() if address not in good}
    if gone or written or stale:
        database.write(_store, _Results(gone, written, first, stale, scores), rules)
    return _changes(scores, found)


def _not_accepted(accepted: Sequence[notes.Note], found: Iterable[Finding]) -> list[Finding]:
    return [each for each in found if not notes.accepting(accepted, each.address, each.rule, each.subject)]


def _changes(scores: Mapping[str, findings.Score], found: Mapping[str, float]) -> list[ScoreChange]:
    """Return what differs between stored scores and those found now; a new score of 0 is no change."""
    olds = {address: each.score for address, each in scores.items()}
    return [
        ScoreChange(address=address, before=olds.get(address), after=after)
        for address, after in found.items()
        if after != olds.get(address, 0.0)
    ]


def _store(connection: Connection, results: _Results, rules: Rules) -> None:
    of_hosts = sorted({each.address for each in results.first})
    new = {findings.key(each) for each in results.first} - findings.stored(connection, of_hosts).keys()
    findings.remove(connection, results.gone)
    findings.add(connection, results.written, rules.version)
    findings.announce(connection, new)
    # Late: the lock around changes is held from here on.
    crossed = _crossed(connection, results, rules)
    findings.write_scores(connection, results.scores, rules.version)
    changes.write(connection, crossed)


def _crossed(connection: Connection, results: _Results, rules: Rules) -> list[Change]:
    """Return the scores that cross a step, of hosts that a scan reported or that lie in own networks.

    None as long as the first facts of a host come in.
    """
    scores = results.scores

    def crossing(before: Mapping[str, findings.Score]) -> dict[str, float]:
        return {
            address: old.score
            for address, old in before.items()
            if address in scores and score_step(old.score) != score_step(scores[address])
        }

    could = crossing(results.before)
    if not could:
        return []
    # Another process may be writing the same: it is seen once the lock is held.
    changes.lock_order(connection)
    stored = findings.scores_of(connection, sorted(could))
    found = crossing(stored)
    scanned = findings.discovered(connection, sorted(found))
    now = time.time()
    first = first_scores.incomplete(connection, [stored[address] for address in found], now)
    return [
        Change(
            kind=ChangeKind.SCORE_CHANGED,
            address=address,
            observed_at=now,
            old=f"{before:.2f}",
            new=f"{scores[address]:.2f}",
        )
        for address, before in sorted(found.items())
        if address not in first and (address in scanned or rules.is_own(address))
    ]
