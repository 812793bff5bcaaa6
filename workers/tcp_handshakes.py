"""How long the handshakes of TCP take lately, and with that how long the next one may take; and which hosts answer none."""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

_REMEMBERED, _ENOUGH = 512, 32
_NEARLY_ALL: Final = 0.98
_SECOND_PACKET: Final = 1.0
"""Seconds after which the kernel sends a lost packet of a handshake again (RFC 6298 2.1)."""

_LEAST: Final = 0.5


class Handshakes:
    """How long the handshakes of TCP took in this process, and how long the next one may take."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._latest: deque[float] = deque(maxlen=_REMEMBERED)
        self._since = 0
        self.longest = math.inf
        """Seconds to wait for one: enough for nearly all that were seen, after the first packet was lost."""

    def add(self, seconds: float) -> None:
        """Remember one that worked."""
        self._latest.append(seconds)
        self._since += 1
        if len(self._latest) >= _ENOUGH and (self._since >= _ENOUGH or math.isinf(self.longest)):
            self._since = 0
            nearly_all = sorted(self._latest)[int(len(self._latest) * _NEARLY_ALL)]
            self.longest = _SECOND_PACKET + max(_LEAST, 3 * nearly_all)


HANDSHAKES: Final = Handshakes()
"""Those of this process: what it measures holds for its network and its load."""


class SilentHosts:
    """Hosts none of whose ports answered a handshake lately. What it knows is short-lived, and of this process only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know none. `clock`: in seconds."""
        self._clock = clock
        self._silent: dict[str, tuple[int, float]] = {}
        self._answered: dict[str, float] = {}

    def answered(self, address: str) -> None:
        """Remember that a host accepted or refused a connection."""
        self._silent.pop(address, None)
        _put(self._answered, address, self._clock() + _ANSWER_HOLDS)

    def timed_out(self, address: str) -> None:
        """Remember that a host answered nothing to a handshake."""
        if self._answered.get(address, 0.0) < self._clock():
            _put(self._silent, address, (self._silent.get(address, (0, 0.0))[0] + 1, self._clock() + _SILENCE_HOLDS))

    def is_silent(self, address: str) -> bool:
        """Return whether a handshake with the host is not worth its wait: `PORTS_TRIED` in vain lately, and none answered."""
        tried, until = self._silent.get(address, (0, 0.0))
        if tried and until < self._clock():
            del self._silent[address]
            return False
        return tried >= PORTS_TRIED


PORTS_TRIED: Final = 3
"""Ports of a host that answer nothing, after which its other ports are not waited for."""

_SILENCE_HOLDS: Final = 60.0
_ANSWER_HOLDS: Final = 600.0
_MOST_HOSTS: Final = 20_000

SILENT_HOSTS: Final = SilentHosts()
"""Those of this process."""

Value = TypeVar("Value")


def _put(known: dict[str, Value], address: str, value: Value) -> None:
    """Put a host at the end of those known, and forget the oldest."""
    known.pop(address, None)
    known[address] = value
    if len(known) > _MOST_HOSTS:
        del known[next(iter(known))]
