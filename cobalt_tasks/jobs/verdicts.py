"""What the verdict of an outcome leads to: the next state of its job, and the values that `store.finish` writes with it."""

import random
from typing import Final

from sqlalchemy import BigInteger, Boolean, Double, Integer, Text

from cobalt_tasks.core.records import Outcome, State, Verdict
from cobalt_tasks.db.bulk import Columns

MAX_ATTEMPTS: Final = 3
_LONGEST_DETAIL: Final = 500
_SPREAD: Final = 1.25
_FAULT_SECONDS: Final = 5.0

COLUMNS: Final[Columns] = {
    "id": BigInteger(),
    "claim": Text(),
    "state": Text(),
    "outcome": Text(),
    "detail": Text(),
    "isolated": Boolean(),
    "attempts": Integer(),
    "waits_for": Text(),
    "after": Double(),
}
"""What `row` returns; `after` is in seconds from now."""


def row(outcome: Outcome, token: str) -> tuple[object, ...]:
    """Return the values of `COLUMNS` for one outcome.

    Args:
        outcome: what came of a job.
        token: the claim under which it ran.

    """
    state, attempts, isolated = _next(outcome)
    detail = outcome.detail and outcome.detail[:_LONGEST_DETAIL]
    return (
        outcome.job.id,
        token,
        state.value,
        outcome.code,
        detail,
        isolated,
        attempts,
        outcome.waits_for if outcome.verdict is Verdict.WAIT else None,
        _pause(outcome),
    )


def state(outcome: Outcome) -> State:
    """Return the state an outcome leads to."""
    return _next(outcome)[0]


def _pause(outcome: Outcome) -> float:
    """Return the seconds until a job is due again; tries are spread, so that what failed together does not return so."""
    after = outcome.after or 0.0
    match outcome.verdict:
        case Verdict.FAULT | Verdict.HELD_UP:
            # The first isolated run shows whether it was this job at all; what fails then may last a while.
            after = _FAULT_SECONDS * 4**outcome.job.attempts if outcome.job.isolated else 0.0
        case Verdict.DONE | Verdict.FAILED | Verdict.WAIT:
            return after
    return after * random.uniform(1.0, _SPREAD)  # noqa: S311


def _next(outcome: Outcome) -> tuple[State, int, bool]:
    """Return the next state, the attempts, and whether the job is isolated (a batch of its own) from now on."""
    job = outcome.job
    match outcome.verdict:
        case Verdict.DONE:
            return State.DONE, job.attempts, job.isolated
        case Verdict.FAILED:
            return State.FAILED, job.attempts, job.isolated
        case Verdict.WAIT:
            return State.PENDING, job.attempts, job.isolated
        case Verdict.RETRY:
            attempts = job.attempts + 1
            return (State.FAILED if attempts >= MAX_ATTEMPTS else State.PENDING), attempts, job.isolated
        case Verdict.HELD_UP if not (job.suspect or job.isolated):
            return State.PENDING, job.attempts, False
        case Verdict.FAULT | Verdict.HELD_UP:
            attempts = job.attempts + job.isolated
            return (State.DEAD if attempts >= MAX_ATTEMPTS else State.PENDING), attempts, True
