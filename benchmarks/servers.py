"""What benchmarks run on: a PostgreSQL of their own, and ledgers without rows."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_numbers = itertools.count()


def ledgers(kind: str, server: str | None, folder: str, *, empty: bool = False) -> Iterator[str]:
    """Yield the URLs of ledgers without rows; with `empty`, without tables too."""
    from cobalt_tasks.db.engine import Database
    from cobalt_tasks.db.tables import metadata

    while True:
        name = f"bench_{os.getpid()}_{next(_numbers)}"
        url = f"sqlite:///{folder}/{name}.db"
        if kind == "postgresql":
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            url = server.rsplit("/", 1)[0] + f"/{name}"
        database = Database(url)
        if not empty:
            metadata.create_all(database.engine)
        database.dispose()
        try:
            yield url
        finally:
            if kind == "postgresql":
                with psycopg.connect(server, autocommit=True) as connection:
                    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            for file in Path(folder).glob(f"{name}.db*"):
                file.unlink()


@contextmanager
def servers(given: str | None, *, needed: bool) -> Iterator[str | None]:
    """Yield the URL of a PostgreSQL: the one named, or a private one on a free port."""
    if given or not needed:
        yield given
        return
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    with tempfile.TemporaryDirectory(prefix="cobalt-pg-") as folder:
        as_user = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = f"{folder}/data"
        initdb = [*as_user, str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "trust"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/")
        server = subprocess.Popen(
            [*as_user, str(programs / "postgres"), "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"],
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        try:
            for _ in range(200):
                try:
                    psycopg.connect(url).close()
                    break
                except psycopg.OperationalError:
                    time.sleep(0.05)
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
