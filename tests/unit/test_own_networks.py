"""networks.toml: what it may hold, and what follows from it for the scope, the search and scores."""

from pathlib import Path

import pytest

from cobalt_tasks.core import own_networks, settings
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.threat.rules import Contact, load

GOOD = """
["10.0.0.0/8"]
name = "Office"
latitude = 52.5
longitude = 13.4
owner = "IT"
tags = ["lab", "Berlin"]

["10.9.0.0/16"]
name = "Vault"
importance = 2.5
"""


def write(home: Path, text: str) -> Path:
    """Write networks.toml; return its folder."""
    (home / own_networks.FILE).write_text(text)
    return home


def test_the_smallest_network_describes_a_host(tmp_path: Path) -> None:
    """Nested networks: the inner one counts; outside of all there is no description."""
    networks = own_networks.load(write(tmp_path, GOOD))
    names = {
        address: getattr(networks.of(address), "name", None) for address in ("10.1.1.1", "10.9.1.1", "8.8.8.8", "::1")
    }
    assert names == {"10.1.1.1": "Office", "10.9.1.1": "Vault", "8.8.8.8": None, "::1": None}
    assert sorted(networks.labels()["tag"]) == ["berlin", "lab"]
    assert [str(each) for each in networks.labels()["site"]["vault"]] == ["10.9.0.0/16"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["10.0.0.1/8"]\nname = "a"', "has bits set behind its prefix"),
        ('["office"]\nname = "a"', "no network"),
        ('["10.0.0.0/8"]\nname = ""', "length"),
        ('["10.0.0.0/8"]\nlatitude = 1.0', "name"),
        ('["10.0.0.0/8"]\nname = "a"\nlatitude = 1.0', "a place needs latitude and longitude"),
        ('["10.0.0.0/8"]\nname = "a"\nlatitude = 91.0\nlongitude = 1.0', "90"),
        ('["10.0.0.0/8"]\nname = "a"\nimportance = -1', "0"),
        ('["10.0.0.0/8"]\nname = "a"\ncolour = "red"', "colour"),
        ("x = [", "cannot be read"),
        ('["10.0.0.0/8"]\nname = "a"\n["::ffff:10.0.0.0/104"]\nname = "b"', "10.0.0.0/8 stands there twice"),
        ("#" * (1 << 20) + "\n", "larger than 1 MiB"),
    ],
)
def test_a_mistake_names_the_file_and_the_network(tmp_path: Path, text: str, message: str) -> None:
    """Whatever is wrong, the error says where, and the exit code is 2."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        own_networks.load(write(tmp_path, text))
    assert own_networks.FILE in str(caught.value)


def test_the_scope_may_be_the_own_networks(tmp_path: Path) -> None:
    """`own` stands for all networks of the file, beside others; without any it is an error, never "no scope"."""
    environment = {"COBALT_HOME": str(tmp_path), "COBALT_SCOPE": "own,192.0.2.0/24"}
    with pytest.raises(ConfigurationError, match="describes no network"):
        settings.load(environment)
    write(tmp_path, GOOD)
    assert set(settings.load(environment).scope) == {"192.0.2.0/24", "10.0.0.0/8", "10.9.0.0/16"}


def test_importance_weighs_in_findings(tmp_path: Path) -> None:
    """Points are multiplied, up to 1; a change of the file makes other rules; without a file nothing changes."""
    contact = Contact(address="10.9.0.1", protocol="tcp", port=22, observed_at=1.0)
    plain = load(tmp_path)
    assert [each.points for each in plain.of_contact(contact)] == [0.3]
    write(tmp_path, GOOD)
    assert not plain.are_current()
    weighed = load(tmp_path)
    assert [each.points for each in weighed.of_contact(contact)] == [0.75]
    assert weighed.version != plain.version
    write(tmp_path, GOOD.replace("2.5", "9"))
    assert [each.points for each in load(tmp_path).of_contact(contact)] == [1.0]
    write(tmp_path, GOOD.replace("2.5", "0"))
    assert load(tmp_path).of_contact(contact) == []
