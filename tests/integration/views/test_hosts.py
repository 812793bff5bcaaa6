"""`cobalt hosts` against real ledgers."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import delete, insert, update

from cobalt_tasks.cli import cobalt
from cobalt_tasks.cli.hosts import hosts as command
from cobalt_tasks.cli.score import score
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import connections as traffic
from cobalt_tasks.hosts import queries as host_queries
from cobalt_tasks.jobs import creation
from cobalt_tasks.threat import store as findings
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.views import hosts

Fill = Callable[[Database], None]


def test_list_has_location_names_and_services(database: Database, fill: Fill) -> None:
    """A host in the list says where it is, what it is called (confirmed first) and what it offers."""
    fill(database)
    listed = hosts.host_list(database, 10, host_queries.Filter())
    assert [host["address"] for host in listed] == ["198.51.100.7", "198.51.100.8", "198.51.100.9", "192.168.1.2"]
    first = listed[0]
    assert (first["country_code"], first["city"]) == ("NL", "Amsterdam")
    assert first["names"] == ["<b>hostile</b>.example", "www.example.com"]
    assert [(port["port"], port["service"]) for port in first["ports"]] == [(22, "ssh")]


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (host_queries.Filter(country="GH"), ["198.51.100.8"]),
        (host_queries.Filter(port=22), ["198.51.100.7"]),
        (host_queries.Filter(service="ssh", country="NL"), ["198.51.100.7"]),
        (host_queries.Filter(service="ssh", port=23), []),
    ],
)
def test_filters(database: Database, fill: Fill, only: host_queries.Filter, found: list[str]) -> None:
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
        while page := host_queries.page(connection, 7, after=after):
            seen += [host["address"] for host in page]
            after = host_queries.After(page[-1]["last_seen"], page[-1]["address"])
    assert len(seen) == 95
    assert set(seen) == {row["address"] for row in rows}


def test_one_host_in_full(database: Database, live_settings: Settings, fill: Fill) -> None:
    """One host shows ports, banners, certificates with all names, names with their confirmation, connections, jobs."""
    fill(database)
    host = hosts.host(database, "198.51.100.7", live_settings)
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


def test_unknown_host_is_said_so(database: Database, live_settings: Settings) -> None:
    """A host nobody saw is an error of its own, not an empty document."""
    with pytest.raises(hosts.UnknownHostError, match="198\\.51\\.100\\.99"):
        hosts.host(database, "198.51.100.99", live_settings)


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
        Finding(
            address="198.51.100.8", rule="risky_port", subject="tcp/23", points=points, source="scan", observed_at=0.0,
            detail=f"tcp/23 is open\x1b[2J {points}",
        )
        for points in (0.3, 0.2)
    ]  # fmt: skip
    with sqlite_database.writing() as connection:
        findings.add(connection, [found[0], msgspec.structs.replace(found[1], subject="tcp/22")], "v1")
        findings.write_scores(connection, {"198.51.100.8": 0.3, "198.51.100.9": 0.0}, "v1")
    listed = CliRunner().invoke(command, []).stdout.splitlines()
    risks = {line.split("\t")[0]: line.split("\t")[1] for line in listed[1:]}
    assert risks == {"198.51.100.7": "", "198.51.100.8": "0.30", "198.51.100.9": "0.00", "192.168.1.2": ""}
    first = rows(CliRunner().invoke(command, ["--order", "score", "--json"]).stdout)
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
    listed = rows(CliRunner().invoke(command, ["--country", "nl", "--json"]).stdout)
    assert [host["address"] for host in listed] == ["198.51.100.7"]
    wrong = CliRunner().invoke(command, ["nonsense:1"])
    assert isinstance(wrong.exception, ConfigurationError)


def test_a_port_that_is_closed_is_shown_as_such(sqlite_database: Database, settings: Settings, fill: Fill) -> None:
    """On the host and in a search for ports: since when it is closed or not confirmed. Break: `state` in host_tables."""
    fill(sqlite_database)
    for closed, words in ((None, "not confirmed since 2026-11-01"), (1793577600.0, "closed since 2026-11-02")):
        values = {"unconfirmed_since": 1793491200.0, "closed_since": closed}
        sqlite_database.write(lambda c, values=values: c.execute(update(models.ports).values(values)))
        shown = CliRunner().invoke(command, ["198.51.100.7"]).stdout.splitlines()
        assert any(line.split("\t")[:2] == ["22/tcp", words] for line in shown)
        found = CliRunner().invoke(cobalt, ["search", "--in", "ports", "port:22 state:closed,unconfirmed"]).stdout
        assert words in found
    as_json = CliRunner().invoke(cobalt, ["search", "--in", "ports", "port:22 state:closed", "--json"]).stdout
    assert rows(as_json)[0]["closed_since"] == "2026-11-02T00:00:00.000Z"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("198.51.100.0/29",), ["198.51.100.7"]),
        (("198.51.100.9/29", "--country", "GH"), ["198.51.100.8"]),
        (("WWW.example.com",), ["198.51.100.7"]),
        (("*.example.com",), ["198.51.100.7"]),
        (("port:22", "country:NL"), ["198.51.100.7"]),
        (("country:NL OR country:GH", "--country", "GH"), ["198.51.100.8"]),
        (("-country:NL", "net:198.51.100.0/24", "--limit", "1"), ["198.51.100.8"]),
        (("192.0.2.0/24",), []),
        (("198.51.100.0/24", "--service", "no OR port:22"), []),
    ],
    ids=["network", "network and option", "name", "pattern", "query", "query and option", "negation", "none", "text"],
)
def test_a_network_a_name_or_a_query_lists_hosts(
    sqlite_database: Database, settings: Settings, fill: Fill, words: tuple[str, ...], expected: list[str]
) -> None:
    """What is no address is a network, a name or a query, narrowed by the options. Break: _with_filters."""
    fill(sqlite_database)
    done = CliRunner().invoke(command, [*words, "--json"], catch_exceptions=False)
    found = [host["address"] for host in rows(done.stdout)]
    assert found[:1] == expected


@pytest.mark.parametrize("options", [(), ("--order", "score")], ids=["seen", "score"])
def test_a_page_of_a_search_names_the_command_that_goes_on(
    sqlite_database: Database, settings: Settings, fill: Fill, options: tuple[str, ...]
) -> None:
    """It lists the hosts behind the page, of the same query in the same order. Break: print_next in _search."""
    fill(sqlite_database)
    with sqlite_database.writing() as connection:
        findings.write_scores(connection, {"198.51.100.7": 0.5, "198.51.100.8": 0.25, "198.51.100.9": 0.75}, "1")
    query = ["country:NL OR country:GH", *options]
    everything = rows(CliRunner().invoke(command, [*query, "--json"], catch_exceptions=False).stdout)
    first = CliRunner().invoke(command, [*query, "--limit", "1", "--json"], catch_exceptions=False)
    following = shlex.split(first.stderr.partition("go on with cobalt ")[2])
    second = CliRunner().invoke(cobalt, [*following, "--json"], catch_exceptions=False)
    assert len(everything) == 2
    assert rows(first.stdout) + rows(second.stdout) == everything


def rows(printed: str) -> list[dict[str, Any]]:
    """The rows of a list that was printed as JSON."""
    return [json.loads(line) for line in printed.splitlines()]


def test_an_empty_list_says_why(database: Database, live_settings: Settings, fill: Fill) -> None:
    """Nothing known yet, nothing matching, nothing scored yet, and nothing found are four answers. Break: empty_note."""

    def listed(*arguments: str) -> str:
        done = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    assert "No hosts yet" in listed()
    assert "No hosts yet" in listed("--country", "NL")
    assert "No hosts yet" in listed("port:22")
    fill(database)
    assert "No host matches." in listed("--country", "ZZ")
    assert "No host matches port:9" in listed("port:9")
    assert "No host matches." in listed("--port", "9", "--order", "last_seen")
    with database.writing() as connection:
        connection.execute(delete(models.scores))
    assert "No host is scored yet" in listed("--order", "score")
    with database.writing() as connection:
        findings.write_scores(connection, {"198.51.100.7": 0.0}, "1")
    assert "No rule found anything on the hosts that match." in listed("--order", "score")
    assert "No host matches." in listed("--order", "score", "--country", "ZZ")


def checks(database: Database, settings: Settings, address: str) -> dict[str, str]:
    """What was not looked at for a host, and why."""
    return {each.check: each.reason for each in hosts.host(database, address, settings)["not_checked"]}


def test_what_was_not_looked_at_is_named(database: Database, live_settings: Settings) -> None:
    """A host only seen in traffic has every fact and rule not checked, each with its reason, in the command and the
    document. Break: any line of not_checked._rules.
    """
    with database.writing() as connection:
        row = {"first_seen": 1.0, "last_seen": 1.0, "discovered": False}
        connection.execute(insert(models.hosts), [{"address": address, **row} for address in ("8.8.8.8", "10.0.0.1")])
    found = checks(database, live_settings, "8.8.8.8")
    traffic_only = "it was only seen in traffic, not scanned"
    assert found == {
        "location": "not looked up",
        "name": "not looked up",
        "banner": traffic_only,
        "certificate": traffic_only,
        "score": "not scored yet",
        "risky_port": traffic_only,
        "cleartext_service": traffic_only,
        "expired_certificate": traffic_only,
        "self_signed_certificate": traffic_only,
        "expiring_certificate": traffic_only,
        "weak_key": traffic_only,
        "weak_signature": traffic_only,
        "old_tls": traffic_only,
        "name_mismatch": traffic_only,
        "new_listener_talks": traffic_only,
        "unknown_country": "not looked up",
        "country": "no such list is configured",
        "network": "no such list is configured",
        "blocklist": "no blocklist is configured",
    }
    assert checks(database, live_settings, "10.0.0.1")["location"] == "not a public address"
    nobody = msgspec.structs.replace(live_settings, geo_providers=())
    assert checks(database, nobody, "8.8.8.8")["location"] == "no provider is configured"
    shown = CliRunner().invoke(command, ["8.8.8.8"], catch_exceptions=False).output
    assert "Not checked" in shown
    assert "not scored yet" in shown
    explained = CliRunner().invoke(score, ["--explain", "8.8.8.8"], catch_exceptions=False).output
    assert "8.8.8.8  not scored yet" in explained
    assert "no blocklist is configured" in explained


@pytest.mark.parametrize(
    ("kind", "port", "state", "outcome", "detail", "expected"),
    [
        ("geolocation", 0, "pending", None, None, "waits to be looked up"),
        ("geolocation", 0, "failed", "no provider", "mmdb: none here", "no provider mmdb: none here"),
        ("geolocation", 0, "failed", "timeout", None, None),
        ("geolocation", 0, "dead", "fault", "OSError: x", "fault OSError: x"),
        ("geolocation", 0, "cancelled", None, None, "the job was cancelled"),
        ("domain", 0, "done", "no name", None, None),
        ("certificate", 443, "failed", "out of scope", "not in COBALT_SCOPE", "out of scope not in COBALT_SCOPE"),
        ("certificate", 443, "failed", "silent", None, "silent"),
        ("banner", 443, "failed", "out of scope", None, "out of scope"),
    ],
)
def test_the_reason_comes_from_the_job(  # noqa: PLR0917
    database: Database,
    live_settings: Settings,
    kind: str,
    port: int,
    state: str,
    outcome: str | None,
    detail: str | None,
    expected: str | None,
) -> None:
    """Whether a fact was looked at is decided by what became of its job: an answer that there is none counts."""
    address = "8.8.8.8"
    with database.writing() as connection:
        seen = {"first_seen": 1.0, "last_seen": 1.0}
        connection.execute(insert(models.hosts), {"address": address, "discovered": True, **seen})
        connection.execute(insert(models.ports), {"address": address, "protocol": "tcp", "port": 443, **seen})
        creation.create(connection, [NewJob(kind=kind, address=address, protocol="tcp" if port else "", port=port)])
        changes = {"state": state, "outcome": outcome, "detail": detail}
        connection.execute(update(models.jobs).values(changes))
    names = {"geolocation": "location", "domain": "name"}
    assert checks(database, live_settings, address).get(names.get(kind, kind)) == expected


def test_a_host_of_an_own_network_has_its_site(
    sqlite_settings: Settings, sqlite_database: Database, fill: Fill
) -> None:
    """Name, owner, tags and place of the smallest network in networks.toml; a host outside has none, nor has any while that
    file cannot be read.
    """
    fill(sqlite_database)
    file = sqlite_settings.home / "networks.toml"
    place = "latitude = 52.52\nlongitude = 13.4\n"
    file.write_text(f'["192.168.1.0/24"]\nname = "office"\nowner = "IT"\ntags = ["lab", "berlin"]\n{place}')
    shown = " ".join(CliRunner().invoke(command, ["192.168.1.2"]).stdout.split())
    assert "site office · IT · lab · berlin coordinates 52.5200, 13.4000" in shown
    own = hosts.host(sqlite_database, "192.168.1.2", sqlite_settings)["own_network"]
    assert (own.name, own.owner, own.tags) == ("office", "IT", ("lab", "berlin"))
    assert hosts.host(sqlite_database, "198.51.100.7", sqlite_settings)["own_network"] is None
    # In a list too, in the place of the country that a private host has not.
    listed = [line.split("\t") for line in CliRunner().invoke(command, ["--limit", "50"]).stdout.splitlines()]
    assert {row[0]: row[2] for row in listed}["192.168.1.2"] == "office"
    found = [
        json.loads(line) for line in CliRunner().invoke(command, ["net:192.168.1.2", "--json"]).stdout.splitlines()
    ]
    assert [row["site"] for row in found] == ["office"]
    file.write_text("[")
    assert hosts.host(sqlite_database, "192.168.1.2", sqlite_settings)["own_network"] is None
    assert hosts.with_sites([{"address": "192.168.1.2"}], sqlite_settings.home)[0]["site"] is None
