"""How long the handshakes of TCP take lately, and with that how long the next one may take."""

import math
from collections import deque
from typing import Final

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
