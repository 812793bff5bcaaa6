"""The one transaction back: outcomes, facts and the jobs that follow, all or nothing."""

from collections.abc import Sequence

from sqlalchemy import Connection

from cobalt_tasks.core.records import Facts, Outcome
from cobalt_tasks.hosts import changes, facts
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs


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
    changed = facts.write(connection, found)
    following = [job for outcome in kept for job in outcome.follow_ups]
    creation.create(connection, following)
    changes.write(connection, changed)
    return {job.kind for job in following}
