"""Faults in our own reading that refuse a record: which these are, and the reason, enough to find and report one."""

import traceback
from pathlib import Path
from typing import Final

from cobalt_tasks.core.errors import CobaltError

NOT_OF_A_RECORD: Final = (CobaltError, MemoryError)
"""What ends the reading whatever the record is."""

_OURS: Final = Path(__file__).parents[1]


def reason(fault: Exception) -> str:
    """Return in one line what went wrong and where, without the text of the `fault`, which may hold what was read."""
    frames = [each for each in traceback.extract_tb(fault.__traceback__) if _OURS in Path(each.filename).parents]
    where = f" in {Path(frames[-1].filename).relative_to(_OURS)}, line {frames[-1].lineno}" if frames else ""
    return f"a fault of Cobalt, not of this record: {type(fault).__name__}{where}; please report it"
