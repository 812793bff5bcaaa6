"""Numbers on the command line."""

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A number within bounds that is finite: `nan` lies outside no bounds, and `inf` within those without an end."""

    def __init__(self, least: float, most: float | None = None, *, of: str) -> None:
        """Accept numbers from `least` to `most`, None without an end; `of`: what they count, such as "seconds"."""
        super().__init__(least, most)
        self._of = of

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number that `value` is; `param` and `ctx` are Click's."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number of {self._of}", param, ctx)
        return number
