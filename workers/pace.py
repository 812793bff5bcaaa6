"""The pace at which this process opens connections: its share of what all workers may open in a second."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

_SECONDS_AT_ONCE: Final = 0.25
"""Moments that are reserved at once, in seconds of the whole rate."""


class Pace:
    """Moments at which connections may be opened, reserved from the ledger."""

    def __init__(self, rate: float, reserve: Callable[[int], float]) -> None:
        """Reserve nothing yet.

        Args:
            rate: connections in a second, of all workers.
            reserve: reserves a number of moments, and returns the seconds until the first; it may block.

        """
        self._rate = rate
        self._reserve = reserve
        self._most = max(1, math.floor(rate * _SECONDS_AT_ONCE))
        self._moments: deque[float] = deque()
        self._turns = asyncio.Lock()
        self._waiting = 0

    @property
    def room(self) -> int:
        """How many more jobs may be started now, so that their first connections wait for a moment only."""
        return max(0, self._most - self._waiting)

    async def turn(self) -> float:
        """Wait until a connection may be opened; return how many seconds that took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._waiting += 1
        try:
            async with self._turns:
                if not self._moments:
                    await self._more(loop)
                moment = self._moments.popleft()
            await asyncio.sleep(max(0.0, moment - loop.time()))
        finally:
            self._waiting -= 1
        return loop.time() - started

    async def _more(self, loop: asyncio.AbstractEventLoop) -> None:
        wanted = min(self._most, self._waiting)
        before = loop.time()
        wait = await loop.run_in_executor(None, self._reserve, wanted)
        self._moments.extend(before + wait + number / self._rate for number in range(wanted))
