"""Mutation tests of the core: change one operator, number or word at a time, and see whether a test fails.

`python tools/mutate.py [COUNT] [--seed N] [--jobs N] [--least PERCENT]` makes COUNT mutants, chosen by the seed from all that
cosmic-ray's operators can make of the modules below. For each it runs the tests that run the changed line, the quickest
first, on SQLite and the private Redis. It prints every survivor as a diff, then the share that was killed; it ends with 1
if that is below the least. `tools/equivalent.toml` lists the survivors that change nothing anyone could see, with the
reason: they are printed, and do not count. The program is copied: the working tree stays as it is.
"""

import argparse
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutation.mutants import ROOT, mutants, reasons
from mutation.running import tried
from mutation.selection import TESTS, Selection


def copy(folder: Path) -> Path:
    """Copy what git knows of, so that a change of the copy is a change of nothing else."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=200, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=1, help="another one chooses other mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to try at once")
    parser.add_argument("--least", type=float, default=90.0, help="percent that have to be killed")
    parser.add_argument("--only", default="", help="only modules whose path contains this")
    parser.add_argument(
        "--skip", type=int, default=0, help="leave out so many of the first mutants that the seed chooses"
    )
    parser.add_argument("--measured", type=Path, help="a file to keep which test runs which line, for the next time")
    return parser.parse_args()


def main() -> int:
    """Run; return the exit code."""
    wanted = arguments()
    every = [mutant for mutant in mutants() if wanted.only in mutant.module]
    random.Random(wanted.seed).shuffle(every)
    usable = (mutant for mutant in every if mutant.is_python())
    chosen = list(itertools.islice(usable, wanted.skip, wanted.skip + wanted.count))
    known = reasons()
    survivors, equivalent = 0, 0
    with tempfile.TemporaryDirectory(prefix="cobalt-mutate-") as made:
        folders = [copy(Path(made) / str(number)) for number in range(wanted.jobs)]
        measured = wanted.measured or Path(made) / "measured.json"
        if not measured.exists():
            print(f"mutate: measuring which test runs which line, of {len(TESTS)} files and folders", flush=True)
        selection = Selection(measured, folders[0])
        for mutant, is_killed in tried(chosen, folders, selection.tests):
            if not is_killed:
                module, before, _ = changed = mutant.change()
                reason = known.get(changed) or known.get((module, before, None))
                survivors += reason is None
                equivalent += reason is not None
                print(f"{'survived' if reason is None else f'equivalent ({reason})'}: {mutant.diff()}", flush=True)
    counted = len(chosen) - equivalent
    share = 100 * (counted - survivors) / max(1, counted)
    print(
        f"{counted - survivors} of {counted} mutants killed ({share:.1f} %), chosen from {len(every)} by the seed "
        f"{wanted.seed}; {equivalent} more change nothing that could be seen"
    )
    return int(share < wanted.least)


if __name__ == "__main__":
    sys.exit(main())
