"""A file that holds nothing usable is a failure; one bad record among good ones is none."""

from pathlib import Path

import pytest

from cobalt_tasks.db.engine import Database
from tests.integration.ingest.conftest import commands

BAD = "open tcp 99999 192.0.2.1 1760000000\n"
GOOD = "open tcp 443 192.0.2.1 1760000000\n"


@pytest.mark.parametrize(("lines", "code"), [(BAD, 3), (BAD * 2, 3), (BAD + GOOD, 0), ("", 0)])
def test_the_exit_code_when_every_record_was_rejected(
    sqlite_database: Database, home: Path, tmp_path: Path, lines: str, code: int
) -> None:
    """3 for all of them, 0 for some, and 0 for a file without records.

    Break: the last condition of `_end` in ingest/run.py.
    """
    file = tmp_path / "scan.list"
    file.write_text(f"#masscan\n{lines}# end\n")
    with commands() as begin:
        process = begin(str(file))
        process.communicate()
        assert process.returncode == code
