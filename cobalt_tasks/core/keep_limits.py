"""How much of something is kept: rows up to an age, or the newest rows up to a size."""

import re
from typing import Annotated, Final

from msgspec import Meta

from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.variables import Variable

_AGES: Final = {"h": HOUR, "d": DAY, "w": 7 * DAY, "y": 365 * DAY}
_SIZES: Final = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_FORM: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?([A-Za-z]{1,2})")


class KeepLimit:
    """A limit by age or by size.

    Attributes:
        seconds: the age, None for a limit by size.
        size: bytes, None for a limit by age.

    """

    __slots__ = ("seconds", "size")

    def __init__(self, text: str) -> None:
        """Read a limit such as 90d or 20GB.

        Raises:
            ValueError: it is none; the message shows what to write.

        """
        match = _FORM.fullmatch(text.strip())
        age = _AGES.get(match[2].lower()) if match else None
        size = _SIZES.get(match[2].upper()) if match else None
        amount = float(match[1]) if match else 0.0
        if amount <= 0 or (age is None and size is None):
            raise ValueError(f"{text!r} is no age and no size: write 90d (h, d, w, y) or 20GB (MB, GB, TB)")
        self.seconds = amount * age if age is not None else None
        self.size = int(amount * size) if size is not None else None

    def __repr__(self) -> str:
        """Return the limit in seconds or bytes."""
        return f"KeepLimit({self.seconds} s)" if self.seconds is not None else f"KeepLimit({self.size} bytes)"


def _variable(name: str, meaning: str) -> Variable:
    value = "an age (`12h`, `90d`, `8w`, `1y`) or a size (`500MB`, `20GB`, `1TB`)"
    return Variable(name=f"COBALT_KEEP_{name}", value=value, meaning=meaning)


CONNECTIONS: Final = _variable("CONNECTIONS", "how long connections are kept; counts and what is known of hosts stay")
HISTORY: Final = _variable(
    "HISTORY",
    "how long changes, closed ports, and banners and certificates that newer ones replaced are kept; a size is that of the"
    " changes",
)
JOBS: Final = _variable("JOBS", "how long finished jobs are kept; what they found is kept")
REJECTS: Final = _variable("REJECTS", "how long refused lines are kept; their counts stay")
JOURNALS: Final = _variable(
    "JOURNALS", "how long journals are kept that no process reads, with bytes of pipes that are not in the ledger"
)
HISTORY_DAYS: Final = Variable(
    name="COBALT_HISTORY_DAYS", value="days", meaning="`COBALT_KEEP_JOBS` in days; read if that is not set"
)
Days = Annotated[float, Meta(gt=0, le=100_000)]


def of_days(days: float | None) -> KeepLimit | None:
    """Return the limit of an age in `days`; None without one."""
    if days is None:
        return None
    limit = KeepLimit("1d")
    limit.seconds = days * DAY
    return limit
