"""alerts.toml: what it describes, and what is wrong in it."""

from pathlib import Path

import pytest

from cobalt_tasks.alerts.config import load
from cobalt_tasks.core.errors import ConfigurationError

GOOD = """
timezone = "Europe/Berlin"
quiet = "22:00-07:00"

[receivers.team]
apprise = "json://127.0.0.1:1/t0k3n"

[receivers.soar]
webhook_file = "hook"
secret = "s3cr3t"

[receivers.siem]
syslog = "tls://siem.example:6514"

[[rules]]
name = "ports of servers"
kinds = ["port opened", "port closed"]
query = "net:192.0.2.0/24"
send_to = ["team", "siem"]
severity = "warning"
group = "10m"

[[rules]]
name = "any"
send_to = ["soar"]
severity = "critical"

[[expected]]
name = "nightly"
source = "masscan*"
every = "24h"
send_to = ["team"]
"""


def write(folder: Path, text: str) -> Path:
    """Write alerts.toml and the file it names, and return the folder."""
    (folder / "hook").write_text("https://soar.example/t0k3n\n")
    file = folder / "alerts.toml"
    file.write_text(text)
    file.chmod(0o600)
    return folder


def test_no_file_is_no_alerting(tmp_path: Path) -> None:
    """Without the file there is nothing to do."""
    assert load(tmp_path) is None


def test_a_whole_file(tmp_path: Path) -> None:
    """All is read; quiet hours hold for every rule but critical ones; nothing shows a secret when printed."""
    found = load(write(tmp_path, GOOD))
    assert found is not None
    assert {name: each.sort for name, each in found.receivers.items()} == {
        "team": "apprise",
        "soar": "webhook",
        "siem": "syslog",
    }
    assert found.receivers["soar"].url == "https://soar.example/t0k3n"
    first, second = found.rules
    assert (first.group, first.quiet is None, second.quiet is None) == (600.0, False, True)
    assert found.expected[0].every == 86400.0
    assert found.warnings == ()
    assert "t0k3n" not in repr(found)
    assert "s3cr3t" not in repr(found)


def test_a_file_that_others_may_read_is_reported(tmp_path: Path) -> None:
    """Secrets that other users can read are worth a warning with the command that ends it."""
    (write(tmp_path, GOOD) / "alerts.toml").chmod(0o644)
    found = load(tmp_path)
    assert found is not None
    assert "chmod 600" in found.warnings[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[receivers.team]", "[receivers.team", r"is no TOML: .*line 5"),
        ('apprise = "json', 'aprise = "json', r"\[receivers.team\]: .*unknown field `aprise`"),
        ("json://127.0.0.1:1/t0k3n", "t0k3n://x/t0k3n", "apprise knows no service for t0k3n://"),
        ("json://127.0.0.1:1/t0k3n", "hello", "write one URL of apprise"),
        ('webhook_file = "hook"', 'webhook_file = "none"', "webhook_file: none cannot be read: No such file"),
        ('webhook_file = "hook"', 'webhook = "ftp://soar.example/t0k3n"', "webhook: write a URL such as https"),
        ('webhook_file = "hook"', 'webhook = "https://u:t0k3n@soar.example/"', "no user name and password"),
        ("tls://siem.example:6514", "siem.example", "syslog: write udp://HOST:514"),
        ('secret = "s3cr3t"', 'syslog = "udp://x"', "write one of apprise, webhook and syslog"),
        ('"port closed"', '"port shut"', "there is no 'port shut'; there are .*port closed"),
        ('["team", "siem"]', '["tem"]', "there is no receiver 'tem'; there are team, soar, siem"),
        ('group = "10m"', 'group = "ten"', "group: write a length of time"),
        ('group = "10m"', 'group = "48h"', "group: write a length of time up to 24h"),
        ('severity = "warning"', 'severity = "bad"', r"number 1: Invalid enum value 'bad' - at `\$.severity`"),
        ('name = "any"', 'name = "nightly"', "is the name of two rules"),
        ("22:00-07:00", "22-7 o'clock", "quiet: write a part of the day such as 22:00-07:00"),
        ("Europe/Berlin", "Europe/Atlantis", "timezone: write a name such as Europe/Berlin"),
        ('every = "24h"', 'every = "nightly"', "every: write a length of time"),
    ],
)
def test_what_is_wrong_is_named_without_secrets(tmp_path: Path, old: str, new: str, message: str) -> None:
    """One line names the table or line, the key, and what to write; it has no URL and no secret."""
    assert old in GOOD
    with pytest.raises(ConfigurationError, match=message) as raised:
        load(write(tmp_path, GOOD.replace(old, new, 1)))
    text = str(raised.value)
    assert str(tmp_path / "alerts.toml") in text
    assert "\n" not in text
    assert "s3cr3t" not in text
    assert "/t0k3n" not in text
    assert ":t0k3n@" not in text
