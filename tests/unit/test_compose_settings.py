"""Every setting reaches every service of the compose file."""

import re
from pathlib import Path

from cobalt_tasks.core import service_urls, settings

ROOT = Path(__file__).parents[2]
FIXED = {"COBALT_HOME"}
"""What the image decides."""

ELSEWHERE = {"CELERY_BROKER_URL"}
"""Another name of COBALT_BROKER_URL."""


def documented() -> set[str]:
    """The variables in the first column of docs/settings.md."""
    rows = [
        line.split("|")[1] for line in (ROOT / "docs/settings.md").read_text().splitlines() if line.startswith("| `")
    ]
    return {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)}


def handed_on() -> set[str]:
    """The variables that the compose file hands to every service of Cobalt's image."""
    text = (ROOT / "docker-compose.yml").read_text()
    block = text.partition("environment: &environment\n")[2].partition("\n  volumes:")[0]
    return set(re.findall(r"^    ([A-Z][A-Z0-9_]+):", block, re.MULTILINE))


def test_every_documented_setting_reaches_every_service() -> None:
    """What docs/settings.md names, a container sees when it is in .env. Break: leave one out of x-cobalt."""
    assert documented() - FIXED - ELSEWHERE == handed_on()


def test_every_setting_of_the_code_is_documented() -> None:
    """What settings.py reads has a row in docs/settings.md, so that the test above covers it."""
    assert {*settings._NAMES.values(), *service_urls.PASSWORDS, "COBALT_DASHBOARD_PASSWORD"} <= documented()


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
