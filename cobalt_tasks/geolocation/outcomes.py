"""The outcomes of geolocation jobs, and how long a provider is not asked after a failure."""

import random
from typing import Final

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.records import NO_PROVIDER, Facts, Job, Location, Outcome, Verdict
from cobalt_tasks.geolocation.limits import ROUNDING_SECONDS
from cobalt_tasks.geolocation.providers.base import Failure, ProviderError

QUOTA: Final = "quota"
"""What a job waits for (`Outcome.waits_for`) that only an online provider can answer."""

_RETRY_SECONDS = (2.0, 5.0)

_PAUSES: Final[dict[Failure, tuple[float, float]]] = {
    # First pause and longest. Refused connections cost nothing, and look-ups without any provider are to end soon.
    "unreachable": (2.0, 10.0),
    "bad": (5.0, 300.0),
    "busy": (60.0, 3600.0),
    "denied": (300.0, 3600.0),
}
_LONGEST_RESET = DAY


def reported_reset(error: ProviderError) -> float | None:
    """Return the seconds until a provider wants to be asked again, a day at most; None if it reported none."""
    return None if error.resets_in is None else min(error.resets_in, _LONGEST_RESET)


def pause(error: ProviderError, failures: int) -> float:
    """Return the seconds until a provider is asked again.

    Args:
        error: the last failure.
        failures: the number of failures in a row, at least 1.

    """
    first, longest = _PAUSES[error.failure]
    # Jitter: machines with ledgers of their own do not return at the same time.
    grown = min(longest, first * 2.0 ** min(failures - 1, 16)) * random.uniform(0.8, 1.2)  # noqa: S311
    reset = reported_reset(error)
    if reset is None:
        return grown
    return reset + ROUNDING_SECONDS if failures == 1 else max(reset + ROUNDING_SECONDS, grown)


def located(job: Job, location: Location) -> Outcome:
    """Return the outcome of `job`, for which `location` was found."""
    return Outcome(job=job, verdict=Verdict.DONE, code="located", facts=Facts(locations=[location]))


def nothing_known(job: Job, detail: str, fresh_for: float) -> Outcome:
    """Return the outcome of a job whose provider knows no location.

    Args:
        job: the job.
        detail: the provider's reason, one line.
        fresh_for: seconds until it is asked again.

    """
    return Outcome(job=job, verdict=Verdict.DONE, code="nothing known", detail=detail, fresh_for=fresh_for)


def failed(job: Job, code: str, detail: str) -> Outcome:
    """Return a final outcome without a location.

    Args:
        job: the job.
        code: a short word.
        detail: the reason, one line.

    """
    return Outcome(job=job, verdict=Verdict.FAILED, code=code, detail=detail)


def waits(job: Job) -> Outcome:
    """Return the outcome of a job that waits for a provider's quota."""
    return Outcome(job=job, verdict=Verdict.WAIT, code="no quota", waits_for=QUOTA)


def no_provider(job: Job, detail: str) -> Outcome:
    """Return the outcome of a job that no provider could answer: it is retried.

    Args:
        job: the job.
        detail: the reason, one line.

    """
    after = random.uniform(*_RETRY_SECONDS)  # noqa: S311
    return Outcome(job=job, verdict=Verdict.RETRY, code=NO_PROVIDER, detail=detail, after=after)
