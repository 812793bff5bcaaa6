"""What the API has of networks.toml and alerts.toml."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from cobalt_tasks.core.settings import Settings, load
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.integration.views.conftest import get

Serving = Callable[[Settings], Any]
ALERTS = """[receivers.team]
webhook = "https://hooks.example/T0KEN"
secret = "s3cret-s3cret-s3cret-s3cret"

[[rules]]
name = "new ports"
kinds = ["port opened"]
send_to = ["team"]
"""


def test_rules_and_dead_messages_are_shown_without_secrets(
    sqlite_database: Database, sqlite_settings: Settings, serving: Serving
) -> None:
    """Rules, names of receivers, counts, and why a message is dead; neither addresses nor secrets. Break: _alerting."""
    file = sqlite_settings.home / "alerts.toml"
    file.write_text(ALERTS)
    file.chmod(0o600)
    row = {"key": "k", "rule": "new ports", "receiver": "team", "severity": "notice", "state": "dead", "count": 1}
    times = {"created_at": time.time(), "due_at": time.time(), "ended_at": time.time()}
    with sqlite_database.writing() as connection:
        connection.execute(insert(models.alerts), {**row, **times, "attempts": 10, "items": "[]", "reason": "410 Gone"})
    with serving(sqlite_settings) as url:
        answer = get(f"{url}/api/alerts?state=dead")
        none = get(f"{url}/api/alerts?state=dead&before=1").json()
        file.write_text("[")
        broken = get(f"{url}/api/alerts").json()
    found = answer.json()
    assert (found["rules"][0]["name"], found["receivers"]) == ("new ports", [{"name": "team", "sort": "webhook"}])
    assert found["counts"] == {"pending": 0, "sending": 0, "sent": 0, "dead": 1}
    assert [(each["receiver"], each["reason"]) for each in found["items"]] == [("team", "410 Gone")]
    assert not any(secret in answer.text for secret in ("s3cret", "T0KEN", "hooks.example"))
    assert none["items"] == []
    assert "alerts.toml" in broken["trouble"]


def test_own_networks_are_shown_in_words(sqlite_settings: Settings, serving: Serving) -> None:
    """Each with name, place and tags; a file that cannot be used is a reason, not a fault."""
    file = sqlite_settings.home / "networks.toml"
    file.write_text('["10.1.0.0/16"]\nname = "office"\nlatitude = 52.5\nlongitude = 13.4\ntags = ["lab"]\n')
    with serving(sqlite_settings) as url:
        (row,) = get(f"{url}/api/networks").json()["items"]
        file.write_text("[")
        broken = get(f"{url}/api/networks").json()
    assert (row["network"], row["name"], row["latitude"], row["tags"]) == ("10.1.0.0/16", "office", 52.5, ["lab"])
    assert "networks.toml" in broken["trouble"]


def test_what_the_settings_mean_is_shown_without_secrets(
    sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scope, exclusions, who is asked, own networks and the disks; no password, no key. Break: a line of in_force.py."""
    for name, value in {
        "COBALT_SCOPE": "127.0.0.0/8",
        "COBALT_EXCLUDE": "127.0.0.9",
        "COBALT_OFFLINE": "true",
        "COBALT_DASHBOARD_USER": "me",
        "COBALT_DASHBOARD_PASSWORD": "s3cret-s3cret",
    }.items():
        monkeypatch.setenv(name, value)
    (sqlite_settings.home / "networks.toml").write_text('["10.1.0.0/16"]\nname = "office"\n')
    with serving(load()) as url:
        answer = get(f"{url}/api/setup", auth=("me", "s3cret-s3cret"))
    found = answer.json()
    texts = {each["about"]: each["text"] for each in found["items"]}
    assert texts["Scope"].startswith("probes: only 127.0.0.0/8;")
    assert texts["Scope"].endswith("never, not even looked up: 127.0.0.9")
    assert texts["Asked where hosts are"] == "no online provider, COBALT_OFFLINE is set"
    assert texts["Services outside"] == "not used: COBALT_OFFLINE is set"
    assert texts["Own networks"] == "10.1.0.0/16 (office)"
    assert texts["Login"] == "asked for"
    assert "s3cret" not in answer.text
    assert all(0 <= disk["free"] <= disk["total"] for disk in found["disks"])
    assert str(sqlite_settings.home) in [disk["folder"] for disk in found["disks"]]
    assert found["flower_port"] is None
