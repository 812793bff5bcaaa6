"""`cobalt up` and the terminal it was started on, which may be closed."""

import os
import pty
import signal
import subprocess

import pytest

from tests.acceptance.conftest import Cobalt
from tests.support.waiting import wait_until

SECONDS = 90


def start(cobalt: Cobalt, *before: str, **options: object) -> subprocess.Popen[bytes]:
    """Start `cobalt up`, and wait until its worker for control is ready."""
    command = [*before, "cobalt", "up", "--port", str(cobalt.port), "--flower-port", str(cobalt.flower_port)]
    process = subprocess.Popen(command, env=cobalt.environment, cwd=cobalt.home, **options)
    log = cobalt.home / "logs" / "control.log"
    wait_until(lambda: log.exists() and " ready." in log.read_text(), "a worker")
    return process


def ended_in_order(cobalt: Cobalt) -> bool:
    """Whether Redis and the workers said goodbye, which killed ones do not."""
    logs = {file.stem: file.read_text(errors="replace") for file in (cobalt.home / "logs").iterdir()}
    return "bye bye" in logs["redis"] and "shutdown" in logs["control"].lower() and not cobalt.processes()


@pytest.mark.timeout(2 * SECONDS)
def test_a_closed_terminal_stops_everything_in_order(cobalt: Cobalt) -> None:
    """SIGHUP, and EIO for whatever is printed after it, are as good as SIGTERM. Break: SIGHUP in up.py, or `say`."""
    ours, theirs = pty.openpty()
    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = start(cobalt, "setsid", "--ctty", **terminal)
    os.close(theirs)
    os.close(ours)
    assert process.wait(SECONDS) == 0
    assert ended_in_order(cobalt)


@pytest.mark.long
@pytest.mark.timeout(2 * SECONDS)
def test_nohup_and_a_closed_pipe(cobalt: Cobalt) -> None:
    """A SIGHUP that is ignored from the start stays so; a reader that has gone harms neither the run nor its end."""
    process = start(
        cobalt, "env", "--ignore-signal=HUP", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    process.stdout.close()
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    assert ended_in_order(cobalt)
