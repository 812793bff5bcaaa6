"""What the tests of scores share."""

from pathlib import Path

import pytest

from cobalt_tasks.threat import rules as threat


@pytest.fixture
def rules(tmp_path: Path) -> threat.Rules:
    """The rules of the package."""
    return threat.load(tmp_path)
