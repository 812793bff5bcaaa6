r"""Text for spreadsheets, which run no cell of it as a formula, whatever separator they split lines by.

A spreadsheet runs a cell that starts with `=`, `+`, `-`, `@` or a full-width or small form of these (OWASP, CSV Injection).
It splits a line by the separator that it is set to, which need not be the one the file was written with; quotes that do not
stand at the start of a cell then quote nothing. So an apostrophe stands in front of such a character wherever a cell may
start: at the start of the text, and behind whatever may separate cells. Line breaks and tabs become `\n` and `\t`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from cobalt_tasks.views.text import printable

STARTS: Final = "=+\\-@＝＋－＠﹦﹢﹣﹫⁺⁻⁼₊₋₌−"
"""Characters that formulas start with, and those that stand for them, for a regular expression."""

SEPARATORS: Final = ",;|:^~\t，；｜：﹐﹔﹕"
"""Characters besides a blank that programs split cells by."""

_SKIPPED: Final = "[\"' ]*"
"""What a program may leave out at the start of a cell."""


class Guard:
    """Makes cells of texts."""

    def __init__(self, separator: str = ",") -> None:
        """Prepare for a file with a `separator`."""
        others = re.escape(SEPARATORS + separator)
        # Behind a blank, only what is more than a dash on its own.
        at = f"(^{_SKIPPED}|[{others}]{_SKIPPED}|[ ][\"']*(?=[{STARTS}](?:[^ ]|$)))"
        self._pattern = re.compile(f"{at}([{STARTS}])")

    def cell(self, text: str | None) -> str:
        """Return a text as a cell holds it; '' for None."""
        if not text:
            return ""
        return self._pattern.sub(r"\1'\2", text if text.isprintable() else one_line(text))

    def cells(self, texts: Sequence[str | None]) -> Iterable[str | None]:
        """Return many texts as cells hold them; None may stay."""
        # Most are harmless, and are looked at together: as cells of one line.
        line = ";".join(filter(None, texts))
        if line.isprintable() and self._pattern.search(line) is None:
            return texts
        return map(self.cell, texts)


def one_line(text: str) -> str:
    """Return text with its control characters, line breaks and tabs as escapes."""
    return printable(text)


def joined(values: Sequence[object]) -> str:
    """Return a list as one text, joined by blanks."""
    texts = list(map(str, values))
    line = " ".join(texts)
    if line.count(" ") < len(texts):
        return line
    return " ".join(text.replace(" ", "\\x20") for text in texts)
