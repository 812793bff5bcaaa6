"""Which programs this one starts, read from its source."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from cobalt_tasks.core.catalog import BY_NAME
from workers.tasks import RUNNERS

FORBIDDEN = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def nodes(folder: str) -> Iterator[tuple[Path, ast.AST]]:
    """Yield (file, node) of all that is written in a package, wherever it is installed."""
    for file in sorted(Path(str(files(folder))).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield file, node


def test_nothing_is_started_through_a_shell() -> None:
    """No command line is put together as text: what input holds can never become a command."""
    calls = [(file, node) for folder in ("cobalt_tasks", "workers") for file, node in nodes(folder)]
    calls = [(file, node) for file, node in calls if isinstance(node, ast.Call)]
    assert len(calls) > 1000
    for file, call in calls:
        assert isinstance(call, ast.Call)
        assert ast.unparse(call.func) not in FORBIDDEN, f"{file}:{call.lineno}"
        shell = [each.value for each in call.keywords if each.arg == "shell"]
        assert not any(getattr(value, "value", True) for value in shell), f"{file}:{call.lineno}"


def test_workers_start_no_program() -> None:
    """A port costs a connection, never a process of another scanner."""
    imported: set[str] = set()
    for _, node in nodes("workers"):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
    assert "asyncio" in imported
    assert not {name for name in imported if name.split(".")[0] in {"subprocess", "multiprocessing", "pty"}} - {
        # A number that the pool's processes share.
        "multiprocessing.sharedctypes"
    }


def test_every_kind_in_the_catalog_is_worked_on() -> None:
    """There is no kind of job that is made and never done, and none that is done as something else."""
    assert set(RUNNERS) == set(BY_NAME)
