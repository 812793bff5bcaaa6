"""Kinds of job that other packages bring: made from input, listed, and named in one line when they cannot be used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import extra_kinds

LINE = '{"type": "connection", "src_ip": "127.0.0.1", "dst_ip": "127.0.0.2", "dst_port": 80}\n'


def run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a module of Python with the plug-in's folder on its path."""
    return subprocess.run([sys.executable, "-m", *command], input=stdin, capture_output=True, text=True, check=False)


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the plug-in, on the path of every process; its kinds need a resolver that may be asked."""
    monkeypatch.setenv("COBALT_RESOLVERS", "127.0.0.1:1")
    monkeypatch.setenv("PYTHONPATH", str(home / "site"))
    return home / "site"


def test_a_new_host_gets_the_jobs_of_another_packages_kind(site: Path) -> None:
    """And once the package is gone, its jobs are still counted and listed. Break: derive._OF_HOSTS."""
    package = extra_kinds.install(site)
    assert run("cobalt_tasks", "ingest", "--format", "capture", "-", stdin=LINE).returncode == 0
    for _ in range(2):
        status = json.loads(run("cobalt_tasks", "status", "--json").stdout)
        assert (status["jobs"]["aa_first"]["pending"], status["jobs"]["a_second"]["pending"]) == (2, 2)
        listed = map(json.loads, run("cobalt_tasks", "jobs", "list", "--json").stdout.splitlines())
        assert [each["kind"] for each in listed].count("a_second") == 2
        (package / "extra_kinds-1.0.dist-info/entry_points.txt").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "command",
    [("cobalt_tasks", "jobs", "list"), ("celery", "-A", "cobalt_tasks", "worker", "-Q", "banner")],
    ids=["cobalt", "celery"],
)
def test_a_package_that_cannot_be_used_is_named_in_one_line(site: Path, command: tuple[str, ...]) -> None:
    """With the exit code of wrong usage, and without a traceback. Break: exit_on_wrong_configuration."""
    extra_kinds.install(site, "[cobalt.kinds]\nbroken = extra_kinds:GONE\n")
    done = run(*command)
    assert done.returncode == 2
    assert done.stderr.startswith("cobalt: extra-kinds: its plug-in 'broken' (extra_kinds:GONE) cannot be imported: ")
    assert len(done.stderr.splitlines()) == 1
