"""Given to a worker with `-I`: harmful probes in place of the domain probe, and clocks that run faster.

What a job does is in the last part of its address.
"""

import asyncio
import ctypes
import os
import signal

from celery import signals

import workers.held_claims
import workers.runners
import workers.tasks
import workers.window
from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import Facts, Hostname, Job, Outcome, Verdict
from workers.net import Net

EXITS, CRASHES, EATEN, SLOW, SIGNS = 1, 2, 3, 4, 5
"""os._exit; a segmentation fault; killed as the kernel kills for memory; takes long; writes down which process it was."""

SLOW_SECONDS = 18.0


async def _probe(job: Job, _: Net) -> Outcome:
    match int(job.address.rsplit(".", 1)[1]):
        case 1:
            os._exit(9)
        case 2:
            ctypes.string_at(0)
        case 3:
            os.kill(os.getpid(), signal.SIGKILL)
        case 4:
            await asyncio.sleep(SLOW_SECONDS)
        case 5:
            await asyncio.sleep(1.5)
            name = Hostname(address=job.address, name=f"pid-{os.getpid()}", source="test", observed_at=1.0)
            return Outcome(job=job, verdict=Verdict.DONE, code="fine", facts=Facts(hostnames=[name]))
    return Outcome(job=job, verdict=Verdict.DONE, code="fine")


@signals.worker_process_init.connect
def _install(**_: object) -> None:
    """Only in a pool child: the tests import this module for its names."""
    workers.tasks.RUNNERS["domain"] = workers.runners.Probes(BY_NAME["domain"], _probe)
    if os.environ.get("TEST_LEASE"):
        lease = float(os.environ["TEST_LEASE"])
        workers.tasks.LEASE_SECONDS = lease
        workers.held_claims.LEASE_SECONDS = lease
        workers.window.LEASE_SECONDS = lease
        workers.held_claims.RENEW_SECONDS = lease / 3
