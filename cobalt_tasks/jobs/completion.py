"""The one transaction back: outcomes, facts and the jobs that follow, all or nothing."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from cobalt_tasks.core.records import Facts, Outcome
from cobalt_tasks.hosts import changes, facts, gone_names
from cobalt_tasks.jobs import creation, refusals
from cobalt_tasks.jobs import store as jobs

_LOOKUP: Final = "domain"
_ANSWERED: Final = frozenset({"named", "no name"})


def complete(connection: Connection, token: str, outcomes: Sequence[Outcome]) -> set[str]:
    """Write what came of a claim's jobs; return the kinds of the jobs that follow.

    Only the jobs that are still this claim's count: a worker frozen past its lease writes nothing.
    """
    ours = jobs.finish(connection, token, outcomes)
    kept = [outcome for outcome in outcomes if outcome.job.id in ours]
    found = Facts(locations=[], hostnames=[], banners=[], certificates=[], sightings=[])
    for outcome in kept:
        if outcome.facts is not None:
            found.extend(outcome.facts)
    changed = facts.write(connection, found) + refusals.count(connection, kept)
    changed += gone_names.note(connection, _looked_up(kept))
    following = [job for outcome in kept for job in outcome.follow_ups]
    creation.create(connection, following)
    changes.write(connection, changed)
    return {job.kind for job in following}


def _looked_up(outcomes: Sequence[Outcome]) -> dict[str, set[str]]:
    """Return the names of the hosts whose reverse lookup was answered."""
    return {
        each.job.address: {fact.name for fact in each.facts.hostnames} if each.facts else set()
        for each in outcomes
        if each.job.kind == _LOOKUP and each.code in _ANSWERED
    }
