"""What `cobalt up` starts goes on when there is no room for its log."""

import subprocess
from pathlib import Path

from cobalt_tasks.supervisor import up


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
