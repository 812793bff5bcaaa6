"""A private PostgreSQL on a Unix socket: its programs, its cluster, and the command that runs it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.supervisor.children import Command

_INSTALLED = Path("/usr/lib/postgresql")


def create(folder: Path) -> None:
    """Create a cluster in an empty folder.

    Raises:
        ConfigurationError: there is no PostgreSQL server here, or it cannot create a cluster.

    """
    initdb = _program("initdb")
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    argv = [*_as_user(), initdb, "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-N"]
    done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ConfigurationError(f"initdb failed: {done.stderr.strip()}")


def command(folder: Path, environment: Mapping[str, str]) -> Command:
    """Return the command that runs the server. Killed processes lose nothing that reached the operating system, so it
    does not sync.

    folder: where `create` made the cluster; environment: variables for the server alone.
    """
    options = {
        "listen_addresses": "",
        "fsync": "off",
        "max_connections": "100",
        "log_min_messages": "fatal",
        "max_wal_size": "64MB",
    }
    given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    # Behind the change of user: what libfaketime makes belongs to that one.
    changed = ["env", *(f"{name}={value}" for name, value in environment.items())]
    argv = [*_as_user(), *changed, _program("postgres"), "-D", str(folder / "data"), "-k", str(folder), *given]
    return Command(name="postgres", argv=argv, longest_pause=1.0)


def socket(folder: Path) -> str:
    """Return its socket."""
    return str(folder / ".s.PGSQL.5432")


def url_through(port: int) -> str:
    """Return its maintenance database as it is reached through a port of this machine."""
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def url(folder: Path) -> str:
    """Return its maintenance database."""
    return f"postgresql://postgres@/postgres?host={folder}"


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root; and a change of user takes the kernel's promise to end a child away."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "QUIT"]


def _program(name: str) -> str:
    folders = sorted(_INSTALLED.glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0]))
    found = str(folders[-1] / name) if folders else shutil.which(name)
    if found is None:
        raise ConfigurationError(f"{name} was not found: install PostgreSQL's server, or use --database sqlite")
    return found
