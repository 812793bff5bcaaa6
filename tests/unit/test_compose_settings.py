"""Every setting reaches every service of the compose file, the documentation and the command that lists them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from cobalt_tasks.core import settings

ROOT = Path(__file__).parents[2]
FIXED = {"COBALT_HOME"}
"""What the image decides."""

ELSEWHERE = {"CELERY_BROKER_URL"}
"""Another name of COBALT_BROKER_URL."""


def declared() -> set[str]:
    """Every variable that the settings declare."""
    return {name for each in settings.all_variables() for name in each.names}


def handed_on() -> set[str]:
    """The variables that the compose file hands to every service of Cobalt's image."""
    text = (ROOT / "docker-compose.yml").read_text()
    block = text.partition("environment: &environment\n")[2].partition("\n  volumes:")[0]
    return set(re.findall(r"^    ([A-Z][A-Z0-9_]+):", block, re.MULTILINE))


def test_every_setting_reaches_every_service() -> None:
    """What the settings declare, a container sees when it is in .env. Break: leave one out of x-cobalt."""
    assert declared() - FIXED - ELSEWHERE == handed_on()


def test_the_tables_of_the_documentation_are_those_of_the_code() -> None:
    """Name, default, unit, range and meaning of each setting, and the providers. Break: change a default or a meaning."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools/tables.py", "--check"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_command_lists_every_setting_and_no_secret() -> None:
    """`cobalt doctor --settings --json` has each variable once, and of a secret only whether it is set."""
    environment = {**os.environ, "IPINFO_TOKEN": "s3cret", "COBALT_PROBE_TIMEOUT": "7"}
    command = [sys.executable, "-m", "cobalt_tasks", "doctor", "--settings"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, env=environment)
    found = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert {*found, *ELSEWHERE} == declared()
    assert (found["IPINFO_TOKEN"]["now"], found["COBALT_PROBE_TIMEOUT"]["now"]) == ("set", "7")
    lines = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "seconds, above 0, at most 60" in lines
    assert "s3cret" not in done.stdout + lines


def test_every_service_of_the_image_shares_the_settings() -> None:
    """No service replaces the shared environment, but for the one that makes passwords; no default password is left."""
    text = (ROOT / "docker-compose.yml").read_text()
    services = text.partition("\nservices:\n")[2].partition("\nvolumes:\n")[0]
    each = dict(re.findall(r"^  (\w+):\n((?:    .*\n|\s*#.*\n|\n)+)", services, re.MULTILINE))
    own = {name for name, body in each.items() if "environment:" in body}
    assert own == {"init", "postgres"}
    assert {name for name, body in each.items() if "<<: *" in body} == set(each) - {"init", "postgres", "redis"}
    assert not re.search(r"PASSWORD:-", text)


def test_every_service_has_logs_of_a_bounded_size() -> None:
    """Docker keeps a container's log without end by default. Break: remove `logging` from a service."""
    text = (ROOT / "docker-compose.yml").read_text()
    shared = text.partition("x-cobalt: &cobalt\n")[2].partition("\n\n")[0]
    services = text.partition("\nservices:\n")[2].partition("\nvolumes:\n")[0]
    each = dict(re.findall(r"^  (\w+):\n((?:    .*\n|\s*#.*\n|\n)+)", services, re.MULTILINE))
    assert len(each) >= 10
    assert "max-size: 10m" in text
    assert "logging: *logging" in shared
    assert all("<<: *" in body or "logging: *logging" in body for body in each.values())
