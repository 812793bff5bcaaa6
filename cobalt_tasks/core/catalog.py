"""The catalog: one line per kind of job. Queues, routes, tasks, CLI, page and metrics are derived from it."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

GEOLOCATION: Final = "geolocation"
"""The kind that has commands, quotas and look-ups of its own."""


class Unit(Enum):
    """What one job of a kind is about."""

    HOST = "host"
    PORT = "port"


class Pool(Enum):
    """The worker pool of a kind: what waits for the network never keeps what computes from a process."""

    NETWORK = "network"
    COMPUTE = "compute"


class Urgency(IntEnum):
    """Why a job exists. Interactive requests go before ordinary work, refreshes after all of it."""

    INTERACTIVE = 0
    ORDINARY = 1
    REFRESH = 5


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of job.

    Attributes:
        name: also the name of its queue.
        priority: strict, the smallest number first.
        unit: what a job is about: a host, or one port of it.
        pool: whether its jobs wait for the network or compute.
        active: whether the target itself receives packets, so that scope and exclusions bind it.
        fresh_for: seconds its fact stays good, unless the fact knows better (a TTL, a notAfter).
        pause: seconds after a failed answer in which no new job of this kind is made for the target.
        batch: jobs in one message of a flood, before it is known how fast they go; never fewer, since those that wait for
            the network wait at the same time.
        most: jobs in one message once they are known to go fast.

    """

    name: str
    priority: int
    unit: Unit
    pool: Pool
    active: bool
    fresh_for: float
    pause: float
    batch: int
    most: int

    @property
    def task(self) -> str:
        """The Celery task that works on this kind."""
        return f"cobalt.{self.name}"

    def level(self, urgency: Urgency) -> int:
        """Return the Redis priority level of a job of this kind: 0 is started first."""
        return 0 if urgency is Urgency.INTERACTIVE else urgency + self.priority


KINDS: Final = (
    Kind(
        name="banner",
        priority=0,
        unit=Unit.PORT,
        pool=Pool.NETWORK,
        active=True,
        fresh_for=DAY,
        pause=HOUR,
        batch=64,
        most=128,
    ),
    Kind(
        name="domain",
        priority=1,
        unit=Unit.HOST,
        pool=Pool.NETWORK,
        active=False,
        fresh_for=DAY,
        pause=HOUR,
        batch=64,
        most=128,
    ),
    Kind(
        name="geolocation",
        priority=2,
        unit=Unit.HOST,
        pool=Pool.COMPUTE,
        active=False,
        fresh_for=30 * DAY,
        pause=HOUR,
        batch=64,
        most=1000,
    ),
    Kind(
        name="certificate",
        priority=3,
        unit=Unit.PORT,
        pool=Pool.NETWORK,
        active=True,
        fresh_for=7 * DAY,
        pause=6 * HOUR,
        batch=64,
        most=128,
    ),
)
BY_NAME: Final = {kind.name: kind for kind in KINDS}

CONTROL_QUEUE: Final = "control"
SWEEP_TASK: Final = "cobalt.sweep"
CONTROL_LEVEL: Final = 0
REPORT_COMMAND: Final = "cobalt_report"
"""The remote control command by which workers say how they are (workers/report.py)."""

POOLS: Final = {
    **{pool.value: tuple(kind.name for kind in KINDS if kind.pool is pool) for pool in Pool},
    CONTROL_QUEUE: (CONTROL_QUEUE,),
}
"""The queues of each worker pool: `cobalt up` starts one worker for each."""

LEVELS: Final = tuple(range(Urgency.REFRESH + len(KINDS)))
"""Every level on the wire; sender, worker and Flower must agree on it or messages are never consumed."""
