"""Journals that are left over: seen, retried with a format, thrown away."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.ingest.streams import journal, leftover

ODD = b"what is this\nnobody knows\n"
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run(home: Path) -> Run:
    """Runs a command on a state folder of its own."""

    def command(*arguments: str, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        program = [sys.executable, "-m", "cobalt_tasks", *arguments]
        return subprocess.run(program, input=data, capture_output=True, timeout=60, check=False)

    return command


def waiting(run: Run) -> list[dict[str, object]]:
    """What `cobalt sources journals list` says."""
    return [json.loads(line) for line in run("sources", "journals", "list", "--json").stdout.splitlines()]


def test_resuming_nothing_says_so(run: Run) -> None:
    """Without a journal, --resume ends well and says that nothing waits."""
    done = run("ingest", "--resume")
    assert (done.returncode, b"no journal waits" in done.stdout + done.stderr) == (0, True)
    assert b"No journal waits." in run("sources", "journals", "list").stderr


def test_a_journal_of_an_unknown_format_is_named_and_retried(run: Run) -> None:
    """It is refused with the commands that help, is seen in list, status and doctor with its bytes and since when, and
    is stored when its format is named: here as lines that are rejected.
    """
    done = run("ingest", "-", "--name", "odd", data=ODD)
    assert done.returncode == 2
    (each,) = waiting(run)
    name = str(each["journal"])
    assert (each["source"], each["bytes"], each["format"]) == ("odd", len(ODD), None)
    assert str(each["since"]).startswith("20")
    assert f"cobalt sources journals retry {name} --format F".encode() in done.stderr
    assert b"26 bytes, since" in run("status").stdout
    assert json.loads(run("status", "--json").stdout)["journals"][0]["journal"] == name
    assert "26 bytes" in json.loads(run("doctor", "--json").stdout)["journals"]["says"]
    assert run("sources", "journals", "retry", name, "--format", "nonsense").returncode == 2
    stored = run("sources", "journals", "retry", name, "--format", "masscan-list")
    assert (stored.returncode, waiting(run)) == (3, [])
    assert b"odd: 2 read" in stored.stdout + stored.stderr


def test_a_journal_can_be_thrown_away(run: Run) -> None:
    """Only the one that is named goes; a name that leads elsewhere deletes nothing."""
    for name in ("one", "two"):
        run("ingest", "-", "--name", name, data=ODD)
    first, second = (str(each["journal"]) for each in waiting(run))
    for wrong in ("nothing", "..", f"../journal/{first}", "."):
        assert run("sources", "journals", "forget", wrong).returncode == 2
    done = run("sources", "journals", "forget", first)
    assert (done.returncode, f"deleted the journal {first}, 26 bytes".encode() in done.stdout) == (0, True)
    assert [each["journal"] for each in waiting(run)] == [second]


def test_a_journal_in_use_is_not_left_over(home: Path) -> None:
    """One that is read now is neither listed nor deleted, and looking disturbs no reader. Break: is_abandoned."""
    folder = environment.load().journal_folder
    path = folder / "20260101T000000-0123456789ab"
    path.mkdir(parents=True)
    (path / "about.json").write_bytes(b'{"name": "x"}')
    (path / f"{0:020d}.data").write_bytes(b"x\n")
    assert [each.journal for each in leftover.find(folder)] == [path.name]
    stream = journal.JournalStream(path)
    assert leftover.find(folder) == []
    with pytest.raises(ConfigurationError, match="no journal"):
        leftover.forget(folder, path.name)
    stream.close()
    assert leftover.forget(folder, path.name).bytes == 2
    assert not path.exists()
