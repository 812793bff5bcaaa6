"""docs/reference.md has every command, option, endpoint, metric and table, and no others."""

import re
import subprocess
import sys
from pathlib import Path

from cobalt_tasks.db.tables import metadata

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference.md"


def test_commands_endpoints_and_metrics_are_current() -> None:
    """The page has what the program prints of itself, each with a description. Break: add an option without help."""
    command = [sys.executable, "tools/reference.py", "--check"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"run python tools/reference.py\n{ran.stderr}"


def test_every_table_is_described() -> None:
    """Each table of the ledger has its line, and each line its table. Break: remove a line."""
    text = PAGE.read_text().partition("\n## Tables\n")[2]
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == sorted(metadata.tables)
