"""How many calls a provider allows, by its terms and by the headers of its answers. Counting them is `quotas`."""

from typing import Final

from msgspec import Struct

from cobalt_tasks.core.providers import Limit


class Terms(Struct, frozen=True, kw_only=True):
    """The terms on which a provider answers.

    Attributes:
        provider: its name.
        batch: the largest number of addresses in one call.
        limits: every one of them holds; empty if it states none.
        counts_addresses: each address of a call counts as a call.

    """

    provider: str
    batch: int
    limits: tuple[Limit, ...] = ()
    counts_addresses: bool = False


class RateLimitHeaders(Struct, frozen=True, kw_only=True):
    """What the headers of an answer report of the provider's shortest window.

    Attributes:
        remaining: calls that are left in it; None if not reported.
        resets_in: seconds until it ends; None if not reported.

    """

    remaining: int | None = None
    resets_in: float | None = None


NO_HEADERS: Final = RateLimitHeaders()

ROUNDING_SECONDS: Final = 1.0
"""Providers report whole seconds, and some round down: a window ends up to this much later than reported."""
