"""Fails where tests cover less than they did: of the whole program, and of the branches of its core.

`python tools/coverage_gate.py` reads what `make coverage` measured, commands and workers included. The figures below are
what was measured last, less what differs from run to run (a process that is killed reports nothing): they only rise, and are
to become 95.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
WHOLE: Final = 94.5
"""The least percent of lines and branches of the whole program."""
BRANCHES: Final[Mapping[str, float]] = {
    "cobalt_tasks/jobs": 96.5,
    "cobalt_tasks/ingest": 94.8,
    "cobalt_tasks/core/addresses.py": 100.0,
    "cobalt_tasks/core/special_networks.py": 100.0,
    "cobalt_tasks/core/own_networks.py": 100.0,
}
"""The least percent of branches that are taken, by folder or module."""


def shares(files: Mapping[str, Any]) -> dict[str, float]:
    """Return the percent of branches that are taken below each place of `BRANCHES`; files: as `coverage json` has them."""
    found = {}
    for place in BRANCHES:
        counts = [each["summary"] for name, each in files.items() if name.startswith(place)]
        taken, every = (sum(each[key] for each in counts) for key in ("covered_branches", "num_branches"))
        found[place] = 100 * taken / max(1, every)
    return found


def main() -> int:
    """Print each share; return 1 where one is too low."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, "-m", "coverage", "json", "-q", "--rcfile=tools/coverage.ini", "-o", report.name]
        subprocess.run(command, cwd=ROOT, check=True)
        measured = json.loads(Path(report.name).read_text())
    whole = measured["totals"]["percent_covered"]
    print(f"the whole program: {whole:.1f} % of its lines and branches are covered, at least {WHOLE:g} % are to be")
    low = ["the whole program"] * (whole < WHOLE)
    for place, share in shares(measured["files"]).items():
        print(f"{place}: {share:.1f} % of its branches are covered, at least {BRANCHES[place]:g} % are to be")
        low += [place] * (share < BRANCHES[place])
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main())
