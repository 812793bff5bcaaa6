"""`cobalt hosts` against real ledgers."""

import json
from collections.abc import Callable

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from cobalt_tasks.cli.hosts import hosts as command
from cobalt_tasks.errors import ConfigurationError
from cobalt_tasks.settings import Settings
from cobalt_tasks.storage import evidence, inventory, models, traffic
from cobalt_tasks.storage.engine import Database
from cobalt_tasks.threat import Evidence
from cobalt_tasks.views import hosts

Fill = Callable[[Database], None]


def test_list_has_location_names_and_services(database: Database, fill: Fill) -> None:
    """A host in the list says where it is, what it is called (confirmed first) and what it offers."""
    fill(database)
    listed = hosts.host_list(database, 10, inventory.Filter())
    assert [host["address"] for host in listed] == ["198.51.100.7", "198.51.100.8", "198.51.100.9", "192.168.1.2"]
    first = listed[0]
    assert (first["country_code"], first["city"]) == ("NL", "Amsterdam")
    assert first["names"] == ["<b>hostile</b>.example", "www.example.com"]
    assert [(port["port"], port["service"]) for port in first["ports"]] == [(22, "ssh")]


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (inventory.Filter(country="GH"), ["198.51.100.8"]),
        (inventory.Filter(port=22), ["198.51.100.7"]),
        (inventory.Filter(service="ssh", country="NL"), ["198.51.100.7"]),
        (inventory.Filter(service="ssh", port=23), []),
    ],
)
def test_filters(database: Database, fill: Fill, only: inventory.Filter, found: list[str]) -> None:
    """Country, port and service each narrow the list, and together."""
    fill(database)
    assert [host["address"] for host in hosts.host_list(database, 10, only)] == found


def test_pages_hold_every_host_once(database: Database) -> None:
    """Going from page to page shows every host once, also where many were seen at the same moment."""
    rows = [
        {"address": f"198.51.100.{n}", "first_seen": 1.0, "last_seen": float(n // 10), "discovered": False}
        for n in range(95)
    ]
    with database.writing() as connection:
        connection.execute(insert(models.hosts), rows)
    seen: list[str] = []
    after = None
    with database.reading() as connection:
        while page := inventory.page(connection, 7, after=after):
            seen += [host["address"] for host in page]
            after = inventory.After(page[-1]["last_seen"], page[-1]["address"])
    assert len(seen) == 95
    assert set(seen) == {row["address"] for row in rows}


def test_one_host_in_full(database: Database, fill: Fill) -> None:
    """One host shows ports, banners, certificates with all names, names with their confirmation, connections, jobs."""
    fill(database)
    host = hosts.host(database, "198.51.100.7")
    assert [port["product"] for port in host["ports"]] == ["OpenSSH"]
    assert host["banners"][0]["text"].startswith("SSH-2.0")
    assert host["certificates"][0]["names"] == ["example.com", "www.example.com"]
    assert {name["name"]: name["confirmed"] for name in host["hostnames"]} == {
        "<b>hostile</b>.example": True,
        "www.example.com": None,
    }
    assert (host["provider"], host["located_at"] < host["last_seen"]) == ("mmdb", True)
    assert [row["dst_ip"] for row in host["connections"]] == ["198.51.100.7"]
    assert {job["kind"] for job in host["jobs"]} == {"geolocation", "banner"}


def test_unknown_host_is_said_so(database: Database) -> None:
    """A host nobody saw is an error of its own, not an empty document."""
    with pytest.raises(hosts.UnknownHostError, match="198\\.51\\.100\\.99"):
        hosts.host(database, "198.51.100.99")


def test_connections_of_a_host_look_at_the_newest_only(
    sqlite_database: Database, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies further back than the bound is left out, so that a long history costs nothing."""
    connect(sqlite_database, ["198.51.100.1", *["198.51.100.2"] * 10])
    monkeypatch.setattr(traffic, "LOOKED_THROUGH", 10)
    with sqlite_database.reading() as connection:
        assert traffic.connections_of(connection, "198.51.100.1", 5) == []
        assert len(traffic.connections_of(connection, "198.51.100.2", 5)) == 5


def test_command_says_which_host_is_risky_and_why(sqlite_database: Database, settings: Settings, fill: Fill) -> None:
    """The list has the score and can begin with the highest; a host's own page has every piece of evidence."""
    fill(sqlite_database)
    found = [
        Evidence(
            address="198.51.100.8", rule="risky_port", subject="tcp/23", points=points, source="scan", observed_at=0.0,
            detail=f"tcp/23 is open\x1b[2J {points}",
        )
        for points in (0.3, 0.2)
    ]  # fmt: skip
    with sqlite_database.writing() as connection:
        evidence.add(connection, [found[0], msgspec.structs.replace(found[1], subject="tcp/22")], "v1")
        evidence.write_scores(connection, {"198.51.100.8": 0.3, "198.51.100.9": 0.0}, "v1")
    listed = CliRunner().invoke(command, []).stdout.splitlines()
    risks = {line.split()[0]: line.split()[1] for line in listed[1:] if line[:1].isdigit()}
    assert risks == {"198.51.100.7": "?", "198.51.100.8": "0.30", "198.51.100.9": "·", "192.168.1.2": "?"}
    first = json.loads(CliRunner().invoke(command, ["--order", "score", "--json"]).stdout)
    assert [(host["address"], host["score"]) for host in first] == [("198.51.100.8", 0.3)]
    shown = CliRunner().invoke(command, ["198.51.100.8"]).stdout
    assert "0.30 of 1" in shown
    assert "+0.30" in shown
    assert "+0.00" in shown  # a rule counts once
    assert "tcp/23 is open\\x1b[2J 0.2" in " ".join(shown.split())


def test_command(sqlite_database: Database, settings: Settings, fill: Fill) -> None:
    """The command takes any spelling of an address; what peers said cannot move the cursor; nonsense is wrong usage."""
    fill(sqlite_database)
    shown = CliRunner().invoke(command, ["::ffff:198.51.100.7"])
    assert shown.exit_code == 0, shown.output
    assert "\x1b" not in shown.stdout
    assert "OpenSSH_9.6p1\\x1b[2J" in shown.stdout
    assert "www.example.com" in shown.stdout
    listed = json.loads(CliRunner().invoke(command, ["--country", "nl", "--json"]).stdout)
    assert [host["address"] for host in listed] == ["198.51.100.7"]
    wrong = CliRunner().invoke(command, ["nonsense"])
    assert isinstance(wrong.exception, ConfigurationError)
