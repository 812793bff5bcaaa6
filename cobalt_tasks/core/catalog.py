"""The catalog: one entry per kind of job. Queues, routes, tasks, new jobs, CLI, page and metrics are derived from it.

An entry declares everything the kind needs (kinds.py describes each part), and is checked when this module is imported.
To add a kind, add an entry here and the module its runner names. A package of its own adds one without touching this file,
through an entry point of the group `cobalt.kinds` that leads to a `Kind`:

    # pyproject.toml of the package
    [project.entry-points."cobalt.kinds"]
    whois = "cobalt_whois:KIND"

    # cobalt_whois/__init__.py: imported by every process, so it imports nothing of `workers`
    KIND = Kind(name="whois", priority=4, unit=Unit.HOST, pool=Pool.NETWORK, discloses_to=Disclosure.SERVICE,
                origins=frozenset({Origin.HOST}), runner="cobalt_whois.probe:probe", facts=frozenset({"hostnames"}),
                fresh_for=30 * DAY, pause=6 * HOUR)

    # cobalt_whois/probe.py: imported by workers only
    async def probe(job: Job, net: Net) -> Outcome: ...

New hosts then get whois jobs, `cobalt up` consumes their queue, and the commands, the page and /metrics show them. Workers
started by hand need the queue's name in `-Q`. While a kind's package is missing, its jobs stay in the ledger as they are.
"""

from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Final

from cobalt_tasks.core import plugins
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.kinds import CONTROL_QUEUE, LAST_PRIORITY, Disclosure, Kind, Origin, Pool, Unit, Urgency
from cobalt_tasks.core.records import Facts

GROUP: Final = "cobalt.kinds"
"""The group of entry points that lead to kinds of other packages."""

GEOLOCATION: Final = "geolocation"
"""The kind that has commands, quotas and look-ups of its own."""

_BUILT_IN: Final = (
    Kind(
        name="banner",
        priority=0,
        unit=Unit.PORT,
        pool=Pool.NETWORK,
        discloses_to=Disclosure.TARGET,
        origins=frozenset({Origin.PORT}),
        runner="workers.probes.banner:probe",
        facts=frozenset({"banners", "hostnames", "certificates", "sightings"}),
        fresh_for=DAY,
        pause=HOUR,
    ),
    Kind(
        name="domain",
        priority=1,
        unit=Unit.HOST,
        pool=Pool.NETWORK,
        discloses_to=Disclosure.RESOLVER,
        origins=frozenset({Origin.HOST}),
        runner="workers.probes.domain:probe",
        facts=frozenset({"hostnames"}),
        fresh_for=DAY,
        pause=HOUR,
    ),
    Kind(
        name=GEOLOCATION,
        priority=2,
        unit=Unit.HOST,
        pool=Pool.COMPUTE,
        discloses_to=Disclosure.SERVICE,
        origins=frozenset({Origin.HOST}),
        runner="workers.runners:locate",
        facts=frozenset({"locations", "hostnames"}),
        fresh_for=30 * DAY,
        pause=HOUR,
        most=1000,
    ),
    Kind(
        name="certificate",
        priority=3,
        unit=Unit.PORT,
        pool=Pool.NETWORK,
        discloses_to=Disclosure.TARGET,
        origins=frozenset({Origin.TLS}),
        runner="workers.probes.certificate:probe",
        facts=frozenset({"hostnames", "certificates", "sightings"}),
        fresh_for=7 * DAY,
        pause=6 * HOUR,
    ),
)


def catalog(built_in: Iterable[Kind], added: Mapping[str, Kind]) -> tuple[Kind, ...]:
    """Return the kinds in the order in which equal levels are started: by priority, ours first, then by name.

    Args:
        built_in: our own kinds.
        added: the kinds of other packages, by the names of their entry points.

    Raises:
        ConfigurationError: a part of an entry cannot be used, or its name is taken.

    """
    found: dict[str, Kind] = {}
    for kind in built_in:
        _check(kind)
        found[kind.name] = kind
    for point, kind in sorted(added.items()):
        if kind.name in found:
            raise ConfigurationError(f"the plug-in {point!r} of {GROUP}: there is a kind {kind.name!r} already")
        _check(kind)
        found[kind.name] = kind
    return tuple(sorted(found.values(), key=lambda kind: kind.priority))


def _check(kind: Kind) -> None:
    if unknown := kind.facts - set(Facts.__struct_fields__):
        known = ", ".join(Facts.__struct_fields__)
        raise ConfigurationError(f"the kind {kind.name!r}: facts: there is no {min(unknown)!r}; there are {known}")
    module = kind.runner.partition(":")[0]
    if not _exists(module):
        raise ConfigurationError(f"the kind {kind.name!r}: runner: there is no module {module!r}")


def _exists(module: str) -> bool:
    """Return whether a module can be found, without importing anything of it: only workers may."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    for part in rest:
        if spec is None:
            return False
        top = f"{top}.{part}"
        spec = PathFinder.find_spec(top, spec.submodule_search_locations or [])
    return spec is not None


KINDS: Final = catalog(_BUILT_IN, plugins.load(GROUP, Kind))
BY_NAME: Final = {kind.name: kind for kind in KINDS}

SWEEP_TASK: Final = "cobalt.sweep"
ALERTS_TASK: Final = "cobalt.alerts"
"""The task that sends alerts, in the queue of the sweep: one at a time, so that slow receivers hold up nothing else."""

PROVIDER_CALL_TASK: Final = "cobalt.provider_call"
"""The task that makes one reserved call of a geolocation provider, in the queue of geolocation."""

CONTROL_LEVEL: Final = 0
REPORT_COMMAND: Final = "cobalt_report"
"""The remote control command to which workers answer with a report about themselves (workers/report.py)."""

POOLS: Final = {
    **{pool.value: tuple(kind.name for kind in KINDS if kind.pool is pool) for pool in Pool},
    CONTROL_QUEUE: (CONTROL_QUEUE,),
}
"""The queues of each worker pool: `cobalt up` starts one worker for each."""

QUEUES: Final = (CONTROL_QUEUE, *BY_NAME)
"""All queues, in the order in which a worker looks at them within one priority level."""

LEVELS: Final = tuple(range(Urgency.REFRESH + LAST_PRIORITY + 1))
"""Every level on the wire; sender, worker and Flower must agree on it or messages are never consumed."""


def made_by(origin: Origin) -> tuple[Kind, ...]:
    """Return the kinds whose jobs an event of this sort makes, in the catalog's order."""
    return tuple(kind for kind in KINDS if origin in kind.origins)
