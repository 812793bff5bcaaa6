"""Tries mutants: each in a copy of the program, by tests in a fork of this process, which has loaded the libraries."""

import importlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mutation.mutants import Mutant

MINUTES_AT_MOST: Final = 5
"""A mutant whose tests take longer counts as killed: it does not end."""

_GRACE_SECONDS: Final = 20.0
_LIBRARIES: Final = (
    *("pytest", "hypothesis.strategies", "sqlalchemy.dialects.sqlite", "alembic.command", "psycopg", "redis", "celery"),
    *("kombu.transport.redis", "msgspec", "click", "requests", "dns.message", "cryptography.x509"),
)
"""What tests import, and what takes longer than most of them."""


@dataclass
class _Run:
    mutant: Mutant
    folder: Path
    before: str
    pid: int
    ends_at: float = field(default_factory=lambda: time.monotonic() + 60 * MINUTES_AT_MOST)
    is_late: bool = False


def tried(
    chosen: Sequence[Mutant], folders: Sequence[Path], tests: Callable[[Mutant], list[str]]
) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant as its tests end, and whether one of them failed.

    chosen: the mutants; folders: copies of the program, one for each that is tried at a time; tests: return the ids of the
    tests that might notice a mutant.
    """
    for name in _LIBRARIES:
        importlib.import_module(name)
    waiting, free, running = deque(chosen), list(folders), list[_Run]()
    while waiting or running:
        while waiting and free:
            mutant = waiting.popleft()
            if names := tests(mutant):
                running.append(_start(mutant, free.pop(), names))
            else:
                yield mutant, False
        for run in list(running):
            code = _code(run)
            if code is not None:
                _restore(run)
                running.remove(run)
                free.append(run.folder)
                yield run.mutant, run.is_late or code != 0
        time.sleep(0.05)


def _start(mutant: Mutant, folder: Path, tests: Sequence[str]) -> _Run:
    file = folder / mutant.module
    before = file.read_text()
    _write(file, mutant.code() or before)
    pid = os.fork()
    if pid:
        return _Run(mutant, folder, before, pid)
    code = 3
    try:
        code = _tests(folder, tests)
    finally:
        os._exit(code)


def _tests(folder: Path, tests: Sequence[str]) -> int:
    """Run tests in this process, a fork; return the exit code."""
    os.setsid()
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)  # noqa: TID251  # no part of the program
    names = folder / "tests-to-run"
    names.write_text("\n".join(tests))
    quiet = "ignore::pytest.PytestAssertRewriteWarning"  # of plugins that are loaded already
    pytest = importlib.import_module("pytest")
    return int(pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-W", quiet, f"@{names}"]))


def _code(run: _Run) -> int | None:
    """Return the exit code of a run; None while it goes on."""
    pid, status = os.waitpid(run.pid, os.WNOHANG)
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(run.pid, signal.SIGKILL)  # what a test that failed may have left
        return os.waitstatus_to_exitcode(status)
    if time.monotonic() > run.ends_at:
        # As Ctrl-C does it at first: pytest ends the servers it started.
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL if run.is_late else signal.SIGINT)
        run.is_late, run.ends_at = True, time.monotonic() + _GRACE_SECONDS
    return None


def _restore(run: _Run) -> None:
    _write(run.folder / run.mutant.module, run.before)


def _write(file: Path, code: str) -> None:
    """Write a module, and delete what was compiled of it: two versions may have one size and time."""
    file.write_text(code)
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()
