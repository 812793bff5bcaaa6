"""Writes the table of input formats into docs/ingest.md, from the table in the code."""

from pathlib import Path
from typing import Final

from cobalt_tasks.ingest import formats

PAGE: Final = Path(__file__).parents[1] / "docs" / "ingest.md"
BEGIN: Final = "<!-- formats: make formats-table -->\n"
END: Final = "<!-- end of formats -->\n"


def main() -> None:
    """Replace what stands between the two marks."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + formats.table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
