"""Tables for people: coloured on a terminal, plain elsewhere."""

import io
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cobalt_tasks.views.text import printable

_WIDEST = 140


def console() -> Console:
    """Return the terminal, of at most 140 columns; characters it cannot show are escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    found = Console(highlight=False)
    found.width = min(found.width, _WIDEST)
    return found


def table(*columns: tuple[str, str]) -> Table:
    """Return an empty table; each column has a name and a side: "left" or "right"."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, justify in columns:
        made.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return made


def text(value: object, style: str = "") -> Text:
    """Return `value` as text in a `style` of Rich; control characters are escaped."""
    return Text(printable(value, keep="\n"), style=style)
