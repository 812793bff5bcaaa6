"""The outcomes of targets that sent no answer, or that were not contacted."""

from typing import Final

from cobalt_tasks.core.records import Job, Outcome, Verdict
from workers.net import ConnectionStatus

_PAUSE: Final = 30.0
"""Seconds until this machine may have sockets and memory again."""


def unreached(job: Job, status: ConnectionStatus, detail: str | None = None) -> Outcome:
    """Return the outcome of a connection that did not come to an answer.

    job: the job; status: how the connection ended; detail: one line for the user, None for none.
    """
    if status is ConnectionStatus.EXHAUSTED:
        return Outcome(
            job=job, verdict=Verdict.RETRY, code=status.value, detail="no free socket or memory here", after=_PAUSE
        )
    return Outcome(job=job, verdict=Verdict.FAILED, code=status.value, detail=detail)


def out_of_scope(job: Job) -> Outcome:
    """Return the outcome of a target that must not receive a packet."""
    detail = "excluded, outside COBALT_SCOPE, or only seen in traffic"
    return Outcome(job=job, verdict=Verdict.FAILED, code="out of scope", detail=detail)
