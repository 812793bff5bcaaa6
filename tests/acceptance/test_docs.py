"""The commands in the documentation do what it says."""

import re
import subprocess
from pathlib import Path
from shutil import copy

import pytest

from cobalt_tasks import lab
from tests.acceptance.conftest import Cobalt
from tests.support import npm
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^<!-- (?P<mark>[^\n]*) -->\n```sh\n(?P<commands>.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """The marks and commands of a page's shell blocks."""
    return [(found["mark"], found["commands"]) for found in BLOCK.finditer(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    """No shell block without a mark: `run`, or `not run:` and the reason."""
    marks = [mark for mark, _ in blocks(page)]
    text = page.read_text()
    assert len(marks) == text.count("```sh\n")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"^ {4}\S", prose, re.MULTILINE), "code that no test would run"
    assert all(mark == "run" or re.fullmatch(r"not run: .+", mark) for mark in marks)


@pytest.fixture
def outside(cobalt: Cobalt, tmp_path: Path) -> None:
    """Small geolocation databases to be fetched: to fetch and check real ones takes longer than all other commands.

    The demo in test_up.py does that.
    """
    programs = npm.install(tmp_path / "npm")
    cobalt.environment |= {"PATH": f"{programs}:{cobalt.environment['PATH']}", "HTTPS_PROXY": "http://127.0.0.1:1"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page: Path, cobalt: Cobalt, outside: None) -> None:
    """Every line of a `run` block exits 0, in a folder with the files it speaks of."""
    (cobalt.home / "scan.json").write_bytes(lab.scan_lines())
    copy(ROOT / "tests" / "samples" / "capture" / "connections.jsonl", cobalt.home / "capture.jsonl")
    for mark, commands in blocks(page):
        if mark == "run":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", commands],
                env=cobalt.environment,
                cwd=cobalt.home,
                capture_output=True,
                text=True,
                timeout=3 * PATIENCE,
                check=False,
            )
            assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
            assert "no source can be reached" not in done.stdout


def test_the_readme_lists_no_command_that_is_missing(cobalt: Cobalt) -> None:
    """Every `cobalt …` in the documentation names a command there is."""
    named = {name for page in PAGES for name in re.findall(r"`cobalt ([a-z]+)", page.read_text())}
    helped = cobalt.run("--help").stdout
    assert named
    assert all(re.search(rf"^  {name} ", helped, re.MULTILINE) for name in named), named
