"""What a kind of job declares about itself. The kinds there are, and how a package adds one, stand in catalog.py."""

import re
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from cobalt_tasks.core.errors import ConfigurationError

LAST_PRIORITY: Final = 3
"""Priorities of 3 and more share the levels of 3: Redis has ten levels, and the catalog any number of kinds."""

CONTROL_QUEUE: Final = "control"

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
_RUNNER: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_MOST_IN_A_BATCH: Final = 1000
"""Ids of jobs in one message: it stays far below the 48 KiB from which Celery's pool can lock up."""


class Unit(Enum):
    """What one job of a kind is about."""

    HOST = "host"
    PORT = "port"


class Pool(Enum):
    """The worker pool of a kind: what waits for the network never keeps what computes from a process."""

    NETWORK = "network"
    COMPUTE = "compute"


class Origin(Enum):
    """What makes jobs of a kind, besides requests of people and the refresh of stale facts."""

    HOST = "host"
    """A host that is new in the ledger or whose fact is stale, from traffic or a scan."""
    PORT = "port"
    """An open port that a scan reported, or that traffic went to inside the scope; of UDP those that answer to a question."""
    TLS = "tls"
    """A port that speaks TLS: by its number, by a scan's report, or by its banner."""


class Disclosure(Enum):
    """Who learns a host's address when a job of a kind is done. Excluded hosts get no jobs at all."""

    TARGET = "target"
    """The host itself receives packets: the scope has to allow it."""
    RESOLVER = "resolver"
    """DNS servers do; there is no job while no server may be asked, nor for addresses without names."""
    SERVICE = "service"
    """Services of third parties do: only addresses that are global, and not multicast, get a job."""


class Urgency(IntEnum):
    """Why a job exists. Interactive requests go before ordinary work, refreshes after all of it."""

    INTERACTIVE = 0
    ORDINARY = 1
    REFRESH = 5


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of job.

    Attributes:
        name: lower-case letters, digits and _; also the name of its queue, unique in the catalog.
        priority: strict, the smallest number first; 0 or more. Priorities of 3 and more share a level on the wire, within
            which the catalog's order decides.
        unit: what a job is about: a host, or one port of it.
        pool: whether its jobs wait for the network or compute.
        discloses_to: who learns the address.
        origins: what makes its jobs; empty for a kind that only people or other kinds ask for.
        runner: "module:function" of what does the work in a worker; imported only there. Either
            `async def (job: Job, net: workers.net.Net) -> Outcome` for one job, run side by side for a batch, or
            `def (context: workers.context.WorkerContext, jobs: Sequence[Job]) -> list[Outcome]` for a whole batch,
            one outcome for each job in any order.
        facts: the fields of `records.Facts` its outcomes may fill; others are an error of the runner.
        fresh_for: seconds its fact stays good, unless the outcome sets its own (a TTL, a notAfter).
        pause: seconds after a failed answer in which no new job of this kind is made for the target.
        batch: jobs in one message of a flood, before it is known how fast they go; never fewer, since those that wait for
            the network wait at the same time.
        most: jobs in one message once they are known to go fast; `batch` to 1000.

    """

    name: str
    priority: int
    unit: Unit
    pool: Pool
    discloses_to: Disclosure
    origins: frozenset[Origin]
    runner: str
    facts: frozenset[str]
    fresh_for: float
    pause: float
    batch: int = 64
    most: int = 128

    def __post_init__(self) -> None:
        """Check the declaration.

        Raises:
            ConfigurationError: a part of it cannot be used.

        """
        needs_port = bool(self.origins & {Origin.PORT, Origin.TLS})
        problems = {
            "name: use lower-case letters, digits and _, at most 31": not _NAME.fullmatch(self.name),
            "name: that queue is taken": self.name == CONTROL_QUEUE,
            "priority: use 0 or more": self.priority < 0,
            "runner: use module:function": not _RUNNER.fullmatch(self.runner),
            "origins: those of a port need the unit PORT": needs_port and self.unit is not Unit.PORT,
            "origins: HOST needs the unit HOST": Origin.HOST in self.origins and self.unit is not Unit.HOST,
            "fresh_for: use more than 0 seconds": not self.fresh_for > 0,
            "pause: use 0 seconds or more": not self.pause >= 0,
            f"batch and most: use 1 <= batch <= most <= {_MOST_IN_A_BATCH}": not (
                1 <= self.batch <= self.most <= _MOST_IN_A_BATCH
            ),
        }
        for problem, is_there in problems.items():
            if is_there:
                raise ConfigurationError(f"the kind {self.name!r}: {problem}")

    @property
    def task(self) -> str:
        """The Celery task that works on this kind."""
        return f"cobalt.{self.name}"

    @property
    def is_active(self) -> bool:
        """Whether the target itself receives packets."""
        return self.discloses_to is Disclosure.TARGET

    @property
    def levels(self) -> tuple[int, ...]:
        """The priority levels of this kind's jobs, the most urgent first."""
        return tuple(self.level(urgency) for urgency in Urgency)

    def level(self, urgency: Urgency) -> int:
        """Return the priority level of a job of this kind on the wire, 0 to 8: 0 is started first."""
        return 0 if urgency is Urgency.INTERACTIVE else urgency + min(self.priority, LAST_PRIORITY)
