"""Turns the runner that a catalog entry names into a function that does a batch, and checks what it returns."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.kinds import Kind
from cobalt_tasks.core.records import Facts, Job, Outcome
from workers.batches import Probe, fault
from workers.context import WorkerContext

Runner = Callable[[WorkerContext, Sequence[Job]], list[Outcome]]


class RunnerError(Exception):
    """A runner did not do what its catalog entry declares."""


class Probes(Struct, frozen=True):
    """A kind whose jobs are probed one by one, side by side."""

    kind: Kind
    probe: Probe


def load(kind: Kind) -> Runner | Probes:
    """Import the runner of a kind.

    Raises:
        ConfigurationError: it cannot be imported, or is no function.

    """
    module, _, name = kind.runner.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the kind {kind.name!r}: runner {kind.runner!r}: {error}") from error
    if not callable(found):
        raise ConfigurationError(f"the kind {kind.name!r}: runner {kind.runner!r} is no function")
    return Probes(kind, found) if inspect.iscoroutinefunction(found) else checked(kind, found)


def locate(context: WorkerContext, jobs: Sequence[Job]) -> list[Outcome]:
    """Ask the local databases; what they do not know waits for a provider's quota.

    Args:
        context: the worker's own.
        jobs: geolocation jobs, claimed.

    """
    return context.geolocator.local(jobs)


def checked(kind: Kind, run: Callable[..., Any]) -> Runner:
    """Return a runner whose jobs all have one outcome, with no other facts than the kind declares; the rest are faults.

    Args:
        kind: the catalog entry.
        run: its runner, for a batch.

    """

    def run_checked(context: WorkerContext, jobs: Sequence[Job]) -> list[Outcome]:
        found = {each.job.id: each for each in run(context, jobs)}
        return [checked_outcome(kind, job, found.get(job.id)) for job in jobs]

    return run_checked


def checked_outcome(kind: Kind, job: Job, found: Outcome | None) -> Outcome:
    """Return an outcome, or a fault if it is missing or has facts that the kind does not declare.

    Args:
        kind: the catalog entry.
        job: the job.
        found: what its runner returned, None for nothing.

    """
    if found is None:
        return fault(job, RunnerError("the runner returned no outcome"))
    if found.facts is not None:
        for name in _FACTS - kind.facts:
            if getattr(found.facts, name):
                return fault(job, RunnerError(f"the kind declares no facts of the sort {name}"))
    return found


_FACTS: Final = frozenset(Facts.__struct_fields__)
