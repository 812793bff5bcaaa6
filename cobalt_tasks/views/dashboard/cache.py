"""A cache for values that are slow to compute and that many requests ask for."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class RefreshingCache(Generic[T]):
    """One value that is slow to compute, computed by one thread at a time.

    It is used for `seconds`, and longer if it is slow to compute, so that computing takes at most `share` of the time.
    For `stale_for` seconds after expiry, the old value is returned and a new one is computed in the background; later
    calls wait for it.
    """

    def __init__(self, get: Callable[[], T], *, seconds: float, stale_for: float = 0.0, share: float = 1.0) -> None:
        """Compute nothing yet.

        Args:
            get: computes the value; it may raise.
            seconds: how long a value is used.
            stale_for: seconds after that in which the old value is returned while a new one is computed.
            share: the largest share of the time that computing may take, 0 to 1.

        """
        self._get = get
        self._seconds = seconds
        self._stale_for = stale_for
        self._share = share
        self._keep_until = 0.0
        self._value: T | None = None
        self._has_value = False
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="kept")
        self._renewal: Future[T] | None = None

    def value(self) -> T:
        """Return the value. If no old one may be used, raises what computing it raised."""
        with self._lock:
            late = time.monotonic() - self._keep_until
            if self._has_value and late < 0:
                return self._value  # type: ignore[return-value]
            renewal = self._renewal = self._renewal or self._threads.submit(self._renew)
            if self._has_value and late < self._stale_for:
                return self._value  # type: ignore[return-value]
        return renewal.result()

    def drop(self) -> None:
        """Compute the value again at the next call."""
        with self._lock:
            self._keep_until = 0.0

    def begin(self) -> None:
        """Start to compute the value, and do not wait for it."""
        with self._lock:
            self._renewal = self._renewal or self._threads.submit(self._renew)

    def close(self) -> None:
        """End the thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _renew(self) -> T:
        began = time.monotonic()
        try:
            value = self._get()
        except BaseException:
            with self._lock:
                self._renewal = None
            raise
        ended = time.monotonic()
        with self._lock:
            self._value, self._has_value, self._renewal = value, True, None
            self._keep_until = ended + max(self._seconds, (ended - began) / self._share)
        return value
