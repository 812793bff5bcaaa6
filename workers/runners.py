"""Turns the runner that a catalog entry names into a function that does a batch, and checks what it returns."""

import asyncio
import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.kinds import Kind
from cobalt_tasks.core.records import Facts, Job, Outcome
from cobalt_tasks.hosts.names import names_of
from workers.batches import Probe, fault, side_by_side
from workers.context import WorkerContext
from workers.net import Net

Runner = Callable[[WorkerContext, Sequence[Job]], list[Outcome]]


class RunnerError(Exception):
    """A runner did not do what its catalog entry declares."""


def load(kind: Kind) -> Runner:
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
    return checked(kind, probes(kind, found) if inspect.iscoroutinefunction(found) else found)


def probes(kind: Kind, probe: Probe) -> Runner:
    """Return a runner that probes all jobs of a batch side by side, each under its own deadline.

    Args:
        kind: what the jobs are; one that connects to hosts asks them by the names the ledger has.
        probe: probes one target.

    """

    def run(context: WorkerContext, jobs: Sequence[Job]) -> list[Outcome]:
        wanted = context.settings
        net = Net(context.scope, wanted.probe_timeout, wanted.resolvers, offline=wanted.offline)
        net = net.asking(community=wanted.snmp_community, industrial=wanted.industrial)
        if kind.is_active:
            with context.database.reading() as connection:
                net = net.knowing(names_of(connection, (job.address for job in jobs)))
        return asyncio.run(side_by_side(probe, jobs, net))

    return run


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
    undeclared = sorted(set(Facts.__struct_fields__) - kind.facts)

    def outcome(job: Job, found: Outcome | None) -> Outcome:
        if found is None:
            return fault(job, RunnerError("the runner returned no outcome"))
        extra = [name for name in undeclared if found.facts is not None and getattr(found.facts, name)]
        return fault(job, RunnerError(f"the kind declares no facts of the sort {extra[0]}")) if extra else found

    def run_checked(context: WorkerContext, jobs: Sequence[Job]) -> list[Outcome]:
        found = {each.job.id: each for each in run(context, jobs)}
        return [outcome(job, found.get(job.id)) for job in jobs]

    return run_checked
