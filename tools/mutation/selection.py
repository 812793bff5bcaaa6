"""Chooses the tests that might notice a change: those that run the line, as coverage saw them do it."""

import ast
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from coverage import CoverageData
from mutation.mutants import MODULES, ROOT, Mutant

TESTS: Final = (
    "tests/integration/storage",
    "tests/integration/ingest",
    "tests/integration/geolocation",
    "tests/integration/commands",
    "tests/integration/test_dispatch.py",
    "tests/integration/test_rounds.py",
    "tests/integration/test_beat.py",
    "tests/integration/workers/test_window.py",
    "tests/integration/workers/test_host_limits.py",
    "tests/integration/workers/test_messages.py",
    "tests/integration/workers/test_retried_writes.py",
    "tests/unit/test_addresses.py",
    "tests/unit/test_scope_model.py",
)
"""Those that use the core within their own process."""

SECONDS: Final = 60.0
"""How long the tests of one mutant may take, by what they took when they were measured."""


class Selection:
    """Which tests run which lines of the core, and how long they take."""

    def __init__(self, measured: Path, folder: Path) -> None:
        """Read what was measured, or measure.

        measured: the file of that, which need not be there; folder: a copy of the program, to measure in.
        """
        if not measured.exists():
            measured.write_text(json.dumps(_measure(folder)))
        found = json.loads(measured.read_text())
        self._seconds: dict[str, float] = found["seconds"]
        self._lines: dict[str, dict[str, list[str]]] = found["lines"]

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the ids of the tests that run what a mutant changes, the quickest first.

        What is run at import only (a constant, a default) is left to those that run anything of its function or module.
        """
        lines = self._lines.get(mutant.module, {})
        first, last = _function_around(mutant)
        spans = ((mutant.line(), mutant.line()), (first, last), (1, sys.maxsize))
        for low, high in spans:
            names = {name for line, names in lines.items() if low <= int(line) <= high for name in names}
            if names:
                return self._quickest(names)
        return []

    def _quickest(self, names: set[str]) -> list[str]:
        """Return the quickest test of each file, then the second of each, and so on: tests of one file look at one thing."""
        by_file: dict[str, int] = defaultdict(int)
        ranked = []
        for name in sorted(names, key=self._taken):
            file = name.partition("::")[0]
            ranked.append((by_file[file], name))
            by_file[file] += 1
        chosen, left = [], SECONDS
        for _, name in sorted(ranked, key=lambda each: (each[0], self._taken(each[1]))):
            left -= self._taken(name)[0]
            if left < 0 and chosen:
                break
            chosen.append(name)
        return chosen

    def _taken(self, name: str) -> tuple[float, str]:
        return self._seconds.get(name, 0.0), name


def _function_around(mutant: Mutant) -> tuple[int, int]:
    """Return the first and last line of the smallest function around a change; of none (0, 0)."""
    tree = ast.parse((ROOT / mutant.module).read_text())
    spans = [
        (each.lineno, each.end_lineno or each.lineno)
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    around = [(first, last) for first, last in spans if first <= mutant.line() <= last]
    return min(around, key=lambda span: span[1] - span[0], default=(0, 0))


def _measure(folder: Path) -> dict[str, Any]:
    """Run all tests once; return the seconds of each, and which run each line. Ends the program where one fails."""
    data, report, config = (folder.parent / name for name in ("measured.coverage", "measured.log", "measured.ini"))
    config.write_text(f"[run]\ndata_file = {data}\nsource = cobalt_tasks\nconcurrency = thread\n")
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not long and not source", "-k", "not postgresql"]
    coverage = ["--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report=", "--durations=0", "-vv"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}  # noqa: TID251  # no part of the program
    command = [sys.executable, "-m", "pytest", *options, *coverage, *TESTS]
    with report.open("w") as output:
        code = subprocess.run(command, cwd=folder, env=environment, stdout=output, check=False).returncode
    printed = report.read_text()
    if code:
        sys.exit(f"mutate: tests fail without any change:\n{printed[-3000:]}")
    seconds: dict[str, float] = defaultdict(float)
    for taken, name in re.findall(r"^\s*([\d.]+)s (?:setup|call|teardown)\s+(.+)$", printed, re.MULTILINE):
        seconds[name] += float(taken)
    return {"seconds": seconds, "lines": _lines(data, folder)}


def _lines(data: Path, folder: Path) -> dict[str, dict[int, list[str]]]:
    """Return the tests that ran each line of each module.

    data: what coverage wrote; folder: where the program was.
    """
    measured = CoverageData(str(data))
    measured.read()
    found = {}
    for file in measured.measured_files():
        name = Path(file).relative_to(folder).as_posix() if file.startswith(str(folder)) else file
        if name.startswith(MODULES):
            contexts = measured.contexts_by_lineno(file).items()
            found[name] = {line: sorted({each.rpartition("|")[0] for each in of} - {""}) for line, of in contexts}
    return found
