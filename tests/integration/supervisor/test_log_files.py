"""The logs of `cobalt up` keep a bounded size while their writers go on."""

import os
import sys
import time
from pathlib import Path

import pytest

from cobalt_tasks.supervisor import children
from cobalt_tasks.supervisor.children import Child, Command
from cobalt_tasks.supervisor.log_file import rotate

LARGEST = 200_000
WRITER = "import itertools, os\nfor number in itertools.count(): os.write(1, b'line %040d\\n' % number)"


def test_a_child_that_prints_without_end_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log is rotated again and again, and goes on with whole lines. Break: `rotate` in Child.tend."""
    monkeypatch.setattr(children, "rotate", lambda file: rotate(file, LARGEST))
    child = Child(Command(name="noisy", argv=[sys.executable, "-c", WRITER]), tmp_path, os.environ, tmp_path)
    child.start()
    older = tmp_path / "noisy.log.1"
    seen = set()
    try:
        deadline = time.monotonic() + 60
        while len(seen) < 3:
            assert time.monotonic() < deadline
            child.tend()
            if older.exists():
                seen.add(older.stat().st_ino)
            time.sleep(0.02)
    finally:
        child.kill()
        child.wait_or_kill()
    lines = child.log_file.read_text().splitlines()
    assert all(line.startswith("line ") and len(line) == 45 for line in lines[:-1])
    assert {file.name for file in tmp_path.iterdir()} == {"noisy.log", "noisy.log.1"}


def test_what_an_interrupted_rotation_left_is_replaced(tmp_path: Path) -> None:
    """A half copy is written anew; a missing log and a small one are left alone."""
    file = tmp_path / "child.log"
    assert not rotate(file, 10)
    file.write_text("short")
    assert not rotate(file, 10)
    file.write_text("longer than that")
    (tmp_path / "child.log.new").write_text("half")
    assert rotate(file, 10)
    assert (file.read_text(), (tmp_path / "child.log.1").read_text()) == ("", "longer than that")
    assert not (tmp_path / "child.log.new").exists()
