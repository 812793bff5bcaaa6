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


NAMED = """Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State
tcp        0      0 0.0.0.0:ssh             0.0.0.0:*               LISTEN
tcp        0      0 myhost:ssh              www.example.com:51000   ESTABLISHED
"""


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["stored", "dry run"])
def test_what_is_left_out_beside_rejects_is_not_used(
    sqlite_database: Database, home: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A listening socket is no record that is stored: with names in place of addresses, no connection of the table was read.

    Break: the ignored records in `_ending` of ingest/run.py.
    """
    file = tmp_path / "netstat.txt"
    file.write_text(NAMED)
    with commands() as begin:
        process = begin(*options, str(file))
        process.communicate()
        assert process.returncode == 3
