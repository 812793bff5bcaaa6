"""The one transaction back: outcomes, facts and the jobs that follow, all or nothing; a worker that goes on claims in it."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import Facts, Outcome
from cobalt_tasks.hosts import changes, facts, gone_names, names
from cobalt_tasks.jobs import claims, creation, host_limits, refusals, settled
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.claims import ClaimTerms
from cobalt_tasks.jobs.store import Claim


class Exchange(Struct, frozen=True):
    """What a worker gets for its outcomes.

    Attributes:
        claim: the jobs it is to do next.
        names: the host names of their targets, by address, for kinds that connect to them.
        following: the kinds of the jobs that follow from its outcomes.

    """

    claim: Claim
    names: Mapping[str, Sequence[str]]
    following: set[str]


_LOOKUP: Final = "domain"
_ANSWERED: Final = frozenset({"named", "no name"})


def complete(connection: Connection, token: str, outcomes: Sequence[Outcome]) -> set[str]:
    """Write what came of a claim's jobs; return the kinds of the jobs that follow.

    Only the jobs that are still this claim's count: a worker frozen past its lease writes nothing.

    token: the claim's; outcomes: one for each of its jobs, or for some of them.
    """
    return complete_all(connection, {token: outcomes})


def complete_all(connection: Connection, ended: Mapping[str, Sequence[Outcome]]) -> set[str]:
    """Write what came of jobs of several claims; return the kinds of the jobs that follow.

    Args:
        connection: in a transaction that writes.
        ended: outcomes by the tokens of their claims; they count as in `complete`.

    """
    outcomes = [outcome for each in ended.values() for outcome in each]
    ours = jobs.finish_all(connection, ended)
    kept = [outcome for outcome in outcomes if outcome.job.id in ours]
    found = Facts(locations=[], hostnames=[], banners=[], certificates=[], sightings=[])
    for outcome in kept:
        if outcome.facts is not None:
            found.extend(outcome.facts)
    changed = facts.write(connection, found) + refusals.count(connection, kept)
    changed += gone_names.note(connection, _looked_up(kept))
    following = [job for outcome in kept for job in outcome.follow_ups]
    creation.create(connection, following)
    settled.settle(connection, kept)
    changes.write(connection, changed)
    host_limits.unpark(connection, [each.job.address for each in kept if BY_NAME[each.job.kind].is_active])
    return {job.kind for job in following}


def _looked_up(outcomes: Sequence[Outcome]) -> dict[str, set[str]]:
    """Return the names of the hosts whose reverse lookup was answered."""
    return {
        each.job.address: {fact.name for fact in each.facts.hostnames} if each.facts else set()
        for each in outcomes
        if each.job.kind == _LOOKUP and each.code in _ANSWERED
    }


def exchange(  # noqa: PLR0913, PLR0917  # what is brought, and what is wanted
    connection: Connection,
    ended: Mapping[str, Sequence[Outcome]],
    terms: ClaimTerms,
    room: int,
    levels: Sequence[int],
    named: Sequence[int] = (),
) -> Exchange:
    """Write what came of jobs, and claim others.

    Args:
        connection: in a transaction that writes.
        ended: outcomes by the tokens of their claims.
        terms: what to claim.
        room: the most to claim; 0 claims nothing.
        levels: the levels to claim from, the most urgent first.
        named: claim only these ids, of any level.

    """
    following = complete_all(connection, ended) if ended else set()
    if named:
        claim = claims.claim_named(connection, terms, named, room)
    elif room > 0:
        claim = claims.claim_next(connection, terms, room, levels)
    else:
        claim = Claim("", [])
    is_active = BY_NAME[terms.kind].is_active
    known = names.names_of(connection, {job.address for job in claim.jobs}) if is_active and claim.jobs else {}
    return Exchange(claim, known, following)
