"""Files of this user alone: what every process creates, the state folder, planted links, exports."""

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cobalt_tasks import flowerconfig
from cobalt_tasks.core.errors import ConfigurationError, GeodbError
from cobalt_tasks.core.private_files import open_own, require_own_folder
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.local import install as geodb
from cobalt_tasks.supervisor.state import locked
from tests.conftest import free_port
from tests.support.waiting import PATIENCE

COBALT = [sys.executable, "-m", "cobalt_tasks"]
CELERY = [sys.executable, "-m", "celery", "-A", "cobalt_tasks"]
LINE = '{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "198.51.100.1", "dst_port": 443, "timestamp": 1}\n'
as_another_user = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def run(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """A command, started with the mask that hides nothing."""
    return subprocess.run(
        [*COBALT, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        umask=0,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def open_files(folder: Path) -> list[str]:
    """What in a folder other users can do anything with."""
    found = [*folder.rglob("*")]
    assert found
    return [str(path) for path in found if path.lstat().st_mode & 0o077]


def test_what_commands_create_is_ours_alone(home: Path) -> None:
    """Ledger, journal and everything else in the state folder, whatever mask the shell has."""
    state = home / "new"
    environment = {**os.environ, "COBALT_HOME": str(state), "COBALT_BROKER_URL": "redis://127.0.0.1:1/0"}
    done = run("ingest", "-", env=environment, stdin=None, input=LINE)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert open_files(state) == []


@pytest.mark.parametrize(
    "command",
    [
        [*CELERY, "worker", "-Q", "control", "-c", "1"],
        [*CELERY, "beat", "--pidfile="],
        [*CELERY, "flower", "--address=127.0.0.1", f"--conf={flowerconfig.__file__}"],
    ],
    ids=lambda command: command[4],
)
def test_what_services_create_is_ours_alone(
    command: list[str], home: Path, redis_url: str, sqlite_database: Database
) -> None:
    """Worker, beat and Flower hide what they create, however they are started."""
    arguments = [*command, f"--port={free_port()}"] if "flower" in command else command
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(arguments, cwd=home, umask=0, **quiet)
    try:
        status = Path(f"/proc/{process.pid}/status")
        deadline = time.monotonic() + 60
        while re.search(r"^Umask:\s*0077$", status.read_text(), re.MULTILINE) is None:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_a_readable_state_folder_is_closed(home: Path) -> None:
    """It is ours and others could only read it: closed, with a line that says so, and the command goes on."""
    assert run("db", "upgrade").returncode == 0
    home.chmod(0o755)
    done = run("sources", "list")
    assert done.returncode == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert done.stderr.splitlines()[0] == f"cobalt: other users could read {home}: closed it (chmod 700)"
    assert "chmod" not in run("sources", "list").stderr


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o1777])
def test_a_writable_state_folder_is_refused(mode: int, home: Path) -> None:
    """Others may have put anything there: exit 2, what to run in one line, and nothing is touched."""
    home.chmod(mode)
    done = run("status")
    assert done.returncode == 2
    assert f"chmod 700 {home}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(home.iterdir()) == []
    assert stat.S_IMODE(home.stat().st_mode) == mode


@as_another_user
def test_a_state_folder_of_another_user_is_refused(home: Path) -> None:
    """What is in it is not ours, whatever its mode."""
    os.chown(home, 12345, -1)
    with pytest.raises(ConfigurationError, match="another user"):
        require_own_folder(home)


@pytest.mark.parametrize("name", ["up.lock", "geodb/.lock"])
def test_planted_links_are_not_followed(name: str, home: Path, tmp_path: Path) -> None:
    """A link in the place of a lock is an error, and what it leads to stays as it is."""
    target = tmp_path / "precious"
    target.write_text("precious")
    link = home / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    if name == "up.lock":
        with pytest.raises(ConfigurationError), locked(home):
            pass
    else:
        with pytest.raises(GeodbError):
            geodb.add(home / "geodb", [], print)
    with pytest.raises(OSError, match="symbolic"):
        open_own(link, os.O_WRONLY)
    assert target.read_text() == "precious"


@as_another_user
def test_a_ledger_behind_a_planted_link_is_refused(tmp_path: Path) -> None:
    """A link that another user made where the ledger is expected is refused; one of our own is followed."""
    link = tmp_path / "cobalt.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    Database(f"sqlite:///{link}").dispose()
    os.lchown(link, 12345, -1)
    with pytest.raises(ConfigurationError, match="link"):
        Database(f"sqlite:///{link}")


def test_an_export_is_whole_or_not_there(home: Path, tmp_path: Path) -> None:
    """It is readable by us alone, replaces a link instead of following it, and leaves nothing behind when it fails."""
    target, precious = tmp_path / "hosts.csv", tmp_path / "precious"
    assert run("ingest", "-", stdin=None, input=LINE).returncode == 0
    precious.write_text("precious")
    target.symlink_to(precious)
    done = run("export", "--table", "hosts", "--format", "csv", "--output", str(target))
    assert done.returncode == 0, done.stderr
    assert not target.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert precious.read_text() == "precious"
    (home / "cobalt.db").write_text("no database")
    before = target.read_text()
    assert run("export", "--table", "hosts", "--format", "csv", "--output", str(target)).returncode == 1
    assert target.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hosts.csv", "precious"]
    assert run("export", "--table", "hosts", "--output", "/dev/null").returncode == 1
