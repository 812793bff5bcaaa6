"""What `cobalt up` does where there is no room for a log, or no folder for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from cobalt_tasks.supervisor import up
from tests.conftest import free_port


def test_no_room_for_the_log_ends_no_service() -> None:
    """Worker, beat, Flower and page print as they start. Break: `service` in up._services."""
    commands = {tuple(command.argv[:4]) for command in up._services(up.UpOptions())}
    assert len(commands) == 2
    for command in commands:
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run([*command, "--version"], stdout=full, stderr=full, timeout=120, check=False)
        assert ended.returncode == 0, command


def test_what_there_is_room_for_is_in_the_log() -> None:
    """The whole output, as the module alone prints it, with its exit code."""
    command = [*up._services(up.UpOptions())[-1].argv[:4], "no-such-command"]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    plain = subprocess.run([command[0], *command[1:2], *command[3:]], capture_output=True, timeout=120, check=False)
    assert ended.returncode == plain.returncode == 2
    assert ended.stderr == plain.stderr


@pytest.mark.parametrize("name", ["logs", "redis"])
def test_a_file_in_the_place_of_a_folder_is_one_line(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong usage, before anything is started; it was a traceback. Break: `subfolder` in state.py."""
    monkeypatch.delenv("COBALT_BROKER_URL", raising=False)
    (home / name).write_text("")
    ports = ["--port", str(free_port()), "--flower-port", str(free_port())]
    command = [sys.executable, "-m", "cobalt_tasks", "up", *ports]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"cobalt: COBALT_HOME: {home / name} cannot be a folder: File exists\n"
