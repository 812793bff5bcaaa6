"""Runs probes side by side in one loop, as a window does, without a ledger."""

import asyncio
from collections.abc import Sequence

from cobalt_tasks.core.records import Job, Outcome
from workers.batches import LoopLag, Probe, run_guarded
from workers.net import Net


async def side_by_side(probe: Probe, jobs: Sequence[Job], net: Net) -> list[Outcome]:
    """Return one outcome for each job."""
    lag = LoopLag()
    watching = asyncio.create_task(lag.watch())
    try:
        return await asyncio.gather(*(run_guarded(probe, job, net, lag) for job in jobs))
    finally:
        watching.cancel()
