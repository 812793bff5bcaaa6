"""Mutation tests of the core: change one operator, number or word at a time, and see whether a test fails.

`python tools/mutate.py [COUNT] [--seed N] [--jobs N] [--least PERCENT]` makes COUNT mutants, chosen by the seed from all that
cosmic-ray's operators can make of the modules below, and runs the tests that are to hold each module, on SQLite and the
private Redis. It prints every survivor as a diff, then the share that was killed; it ends with 1 if that is below the least.
The program is copied: the working tree stays as it is.
"""

import argparse
import difflib
import itertools
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT: Final = Path(__file__).parents[1]
STORAGE: Final = "tests/integration/storage"
INGEST: Final = "tests/integration/ingest"
HELD_BY: Final = {
    "cobalt_tasks/jobs/store.py": [
        f"{STORAGE}/test_job_guards.py",
        f"{STORAGE}/test_jobs.py",
        f"{STORAGE}/test_job_leases.py",
        f"{STORAGE}/test_clocks.py",
    ],
    "cobalt_tasks/jobs/creation.py": [
        f"{STORAGE}/test_job_guards.py",
        f"{STORAGE}/test_jobs.py",
        f"{STORAGE}/test_job_leases.py",
    ],
    "cobalt_tasks/jobs/freshness.py": [
        f"{STORAGE}/test_job_guards.py",
        f"{STORAGE}/test_jobs.py",
        f"{STORAGE}/test_job_leases.py",
        f"{STORAGE}/test_clocks.py",
    ],
    "cobalt_tasks/jobs/verdicts.py": [
        f"{STORAGE}/test_job_guards.py",
        f"{STORAGE}/test_jobs.py",
        f"{STORAGE}/test_job_leases.py",
    ],
    "cobalt_tasks/jobs/leases.py": [f"{STORAGE}/test_job_leases.py", f"{STORAGE}/test_jobs.py"],
    "cobalt_tasks/jobs/admin.py": [f"{STORAGE}/test_job_admin.py"],
    "cobalt_tasks/jobs/backlog.py": [
        f"{STORAGE}/test_backlog.py",
        f"{STORAGE}/test_jobs.py",
        "tests/integration/test_dispatch.py",
    ],
    "cobalt_tasks/jobs/clock_repair.py": [f"{STORAGE}/test_clocks.py"],
    "cobalt_tasks/jobs/dispatcher.py": ["tests/integration/test_dispatch.py"],
    "cobalt_tasks/jobs/reaper.py": ["tests/integration/test_dispatch.py", "tests/integration/test_rounds.py"],
    "cobalt_tasks/jobs/rounds.py": ["tests/integration/test_rounds.py"],
    "cobalt_tasks/jobs/starts.py": [f"{STORAGE}/test_starts.py"],
    "cobalt_tasks/ingest/commit.py": [f"{INGEST}/test_commit.py", f"{INGEST}/test_outages.py"],
    "cobalt_tasks/ingest/store": [
        f"{INGEST}/test_checkpoints.py",
        f"{INGEST}/test_identities.py",
        f"{INGEST}/test_commit.py",
        f"{INGEST}/test_cuts.py",
        f"{STORAGE}/test_counts.py",
        f"{STORAGE}/test_growth.py",
    ],
    "cobalt_tasks/geolocation/quotas.py": ["tests/integration/geolocation/test_quotas.py"],
    "cobalt_tasks/core/addresses.py": ["tests/unit/test_addresses.py"],
}
"""The modules, or folders of them, and the tests that are to fail when one is changed."""

NOT_TRIED: Final = ("BitOr", "RemoveDecorator", "_Is")
"""Parts of operators' names whose mutants prove nothing: `int | None` in an annotation, `@cache`, which changes only the
speed, and `is` between numbers.
"""

TIMES_AS_LONG: Final = 5.0
"""A mutant whose tests take so many times as long as without it, and a minute, counts as killed."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module: the occurrence-th place where an operator of cosmic-ray applies."""

    module: str
    tests: tuple[str, ...]
    operator: str
    occurrence: int

    def code(self) -> str | None:
        """Return the whole module with the change, None where the operator does not apply after all."""
        found: str | None = mutate_code(
            (ROOT / self.module).read_text(), get_operator(self.operator)(), self.occurrence
        )
        return found

    def is_python(self) -> bool:
        """Return whether the changed module can be compiled; one that cannot would be killed by any test."""
        try:
            compile(self.code() or "(", self.module, "exec")
        except SyntaxError:
            return False
        return True

    def diff(self) -> str:
        """Return the change as a diff without context."""
        lines = difflib.unified_diff(
            (ROOT / self.module).read_text().splitlines(), (self.code() or "").splitlines(), n=0
        )
        return "\n".join([self.module, *list(lines)[2:]])


def mutants() -> Iterator[Mutant]:
    """Yield all mutants of all modules, in an order that depends only on the code."""
    names = sorted(name for name in operator_names() if not any(part in name for part in NOT_TRIED))
    operators = [(name, get_operator(name)) for name in names if not get_operator(name).arguments()]
    for place, tests in HELD_BY.items():
        path = ROOT / place
        for module in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            nodes = list(ast_nodes(get_ast(module.read_text())))
            for name, operator in operators:
                count = sum(1 for node in nodes for _ in operator().mutation_positions(node))
                for occurrence in range(count):
                    yield Mutant(module.relative_to(ROOT).as_posix(), tuple(tests), name, occurrence)


def copy(folder: Path) -> Path:
    """Copy what git knows of, so that a change of the copy is a change of nothing else."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def passes(folder: Path, tests: tuple[str, ...], seconds: float | None) -> bool:
    """Return whether tests pass in a copy.

    folder: the copy; tests: files or folders; seconds: after which they count as failed, None for no end.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-k",
        "not postgresql",
        *tests,
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}  # noqa: TID251  # no part of the program
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        try:
            return running.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            # As Ctrl-C does it: pytest ends the servers it started.
            for number, grace in ((signal.SIGINT, 20), (signal.SIGKILL, None)):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(running.pid, number)
                    running.wait(grace)
            return False


def survives(mutant: Mutant, folder: Path, seconds: float) -> bool:
    """Return whether no test notices a mutant.

    mutant: what to change; folder: the copy to change it in; seconds: how long its tests may take.
    """
    code = mutant.code()
    if code is None:
        return False
    file = folder / mutant.module
    before = file.read_text()
    file.write_text(code)
    try:
        return passes(folder, mutant.tests, seconds)
    finally:
        file.write_text(before)


def measured(folder: Path, chosen: list[Mutant]) -> dict[tuple[str, ...], float]:
    """Return the seconds after which each set of tests counts as failed; they all pass without a change, or this ends.

    folder: a copy; chosen: the mutants whose tests to run.
    """
    found = {}
    for tests in dict.fromkeys(mutant.tests for mutant in chosen):
        started = time.monotonic()
        if not passes(folder, tests, None):
            sys.exit(f"mutate: these tests fail without any change: {' '.join(tests)}")
        found[tests] = 60 + TIMES_AS_LONG * (time.monotonic() - started)
    return found


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=200, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=1, help="another one chooses other mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to try at once")
    parser.add_argument("--least", type=float, default=90.0, help="percent that have to be killed")
    parser.add_argument("--only", default="", help="only modules whose path contains this")
    wanted = parser.parse_args()
    every = [mutant for mutant in mutants() if wanted.only in mutant.module]
    random.Random(wanted.seed).shuffle(every)
    chosen = list(itertools.islice((mutant for mutant in every if mutant.is_python()), wanted.count))
    with tempfile.TemporaryDirectory(prefix="cobalt-mutate-") as made, ThreadPoolExecutor(wanted.jobs) as threads:
        folders: queue.Queue[Path] = queue.Queue()
        for number in range(wanted.jobs):
            folders.put(copy(Path(made) / str(number)))
        limits = measured(Path(made) / "0", chosen)

        def try_it(mutant: Mutant) -> bool:
            folder = folders.get()
            try:
                return survives(mutant, folder, limits[mutant.tests])
            finally:
                folders.put(folder)

        survivors = []
        for mutant, has_survived in zip(chosen, threads.map(try_it, chosen), strict=True):
            if has_survived:
                survivors.append(mutant)
                print(f"survived: {mutant.diff()}", flush=True)
    killed = len(chosen) - len(survivors)
    share = 100 * killed / max(1, len(chosen))
    print(
        f"{killed} of {len(chosen)} mutants killed ({share:.1f} %), chosen from {len(every)} by the seed {wanted.seed}"
    )
    return int(share < wanted.least)


if __name__ == "__main__":
    sys.exit(main())
