"""The table of faults in docs/faults.md cannot go stale."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "faults.md"
NODE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    """Return the lines of the tables that name a fault."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("|") and not line.startswith(("|---", "| the fault |"))]


def functions_in(file: Path) -> set[str]:
    """Return the names of the functions in a file."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_fault_names_a_test_that_exists() -> None:
    """Each row has three cells and at least one test, and each test is a function in its file."""
    assert len(rows()) > 50
    missing = []
    for row in rows():
        _, _, named = (cell.strip() for cell in row.strip("|").split(" | "))
        found = NODE.findall(named)
        assert found, row
        assert NODE.sub("", named).strip(", ") == "", row
        missing += [f"{file}::{name}" for file, name in found if name not in functions_in(ROOT / file)]
    assert missing == []
