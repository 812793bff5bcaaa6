"""Logs what happens again and again, such as a service that is away, once a minute and not each time."""

import time
from typing import Final

_AGAIN_SECONDS: Final = 60.0


class OncePerMinute:
    """Decides whether a line is due. A new reason is due at once."""

    def __init__(self) -> None:
        """Start with nothing logged."""
        self._reason: str | None = None
        self._due_at = 0.0

    def is_due(self, reason: str) -> bool:
        """Return whether to log this reason now: it differs from the last one, or that was logged a minute ago."""
        now = time.monotonic()
        if reason == self._reason and now < self._due_at:
            return False
        self._reason, self._due_at = reason, now + _AGAIN_SECONDS
        return True

    def reset(self) -> None:
        """Make any reason due again: what was away is back."""
        self._reason = None
