"""Local databases: installed, read, replaced, damaged."""

import json
import logging
import random
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import maxminddb
import msgspec
import pytest

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.geolocation.local import install as geodb
from cobalt_tasks.geolocation.local import manifest
from cobalt_tasks.geolocation.local.mmdb import LocalDatabases


def opened(folder: Path) -> LocalDatabases:
    """Open the databases of a folder."""
    found = LocalDatabases(folder)
    assert found.refresh()
    return found


def test_city_network_and_country_are_put_together(databases: Path) -> None:
    """The city database answers, the list of networks adds the number; each part says where it came from."""
    location = opened(databases).locate("8.8.8.8", 5.0)
    assert location is not None
    assert (location.provider, location.country_code, location.country_name) == ("mmdb", "DE", "Germany")
    assert (location.city, location.latitude, location.longitude) == ("Sampleton", 1.5, 2.5)
    assert (location.asn, location.organisation, location.fetched_at) == (64496, "Example Net", 5.0)
    assert json.loads(location.sources or "") == {"asn": "mmdb:asn", "organisation": "mmdb:asn"}
    assert json.loads(location.raw or "")["asn"] == [64496, "Example Net"]
    assert location.database_built == pytest.approx(time.time(), abs=60)


def test_what_the_city_database_leaves_out_the_country_database_knows(databases: Path) -> None:
    """A well-known anycast address is located by country when no city is known."""
    location = opened(databases).locate("1.1.1.1", 5.0)
    assert location is not None
    assert (location.country_code, location.latitude, location.asn) == ("AU", None, 64497)


def test_each_family_is_asked_for_in_its_own_file(databases: Path) -> None:
    """A city database in two files answers for both families."""
    location = opened(databases).locate("2001:4860::8888", 5.0)
    assert location is not None
    assert location.city == "Sixton"


def test_an_address_in_no_database_is_not_located(databases: Path) -> None:
    """Unknown is None, also where only the network is known."""
    found = opened(databases)
    assert found.locate("9.9.9.9", 5.0) is None
    assert found.locate("8.8.4.4", 5.0) is None
    assert [each.name for each in found.look_up("8.8.4.4")] == ["mmdb:asn"]


def test_a_replaced_database_is_opened_at_once(databases: Path, tmp_path: Path, write_database: object) -> None:
    """A reader that is open sees the new file at its next refresh, and the old file is gone."""
    found = opened(databases)
    before = set(databases.iterdir())
    new = write_database(tmp_path / "new.mmdb", "GeoLite2-City", {"9.9.9.0/24": {"country": {"iso_code": "CH"}}})  # type: ignore[operator]
    geodb.add(databases, [new], lambda _: None)
    assert found.refresh()
    assert found.locate("8.8.8.8", 5.0).country_code == "FR"  # type: ignore[union-attr]
    assert found.locate("9.9.9.9", 5.0).country_code == "CH"  # type: ignore[union-attr]
    assert len(before - set(databases.iterdir())) == 2


def test_without_databases_nobody_is_located(tmp_path: Path) -> None:
    """A folder that does not exist is no error, only no database."""
    found = LocalDatabases(tmp_path / "nothing")
    assert not found.refresh()
    assert found.locate("8.8.8.8", 5.0) is None


def test_a_damaged_manifest_means_no_database(databases: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken manifest is said aloud, and breaks nothing."""
    (databases / "manifest.json").write_text("{")
    assert not LocalDatabases(databases).refresh()
    assert "cannot be read" in caplog.text


def test_a_damaged_database_is_left_out(databases: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is no database any more does not keep the others from answering."""
    city = next(databases.glob("city-ipv4*.mmdb"))
    city.unlink()
    city.write_bytes(b"no database")
    found = opened(databases)
    assert found.locate("8.8.8.8", 5.0).country_code == "FR"  # type: ignore[union-attr]
    assert "cobalt geodb update" in caplog.text


def test_a_worker_opens_no_file_that_changed_since_it_was_installed(
    databases: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One bit in the middle is enough: over such a file the reader could end the whole process."""
    found = LocalDatabases(databases, checked=True)
    found.refresh()
    assert found.locate("8.8.8.8", 5.0).city == "Sampleton"  # type: ignore[union-attr]
    city = next(databases.glob("city-ipv4*.mmdb"))
    content = bytearray(city.read_bytes())
    content[len(content) // 3] ^= 1
    city.unlink()
    city.write_bytes(content)
    found = LocalDatabases(databases, checked=True)
    found.refresh()
    assert found.locate("8.8.8.8", 5.0).country_code == "FR"  # type: ignore[union-attr]
    assert "is damaged" in caplog.text


def test_an_old_database_is_said_to_be_old(databases: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond 30 days a warning names the age when the database is opened; it is used all the same."""
    old = manifest.load(databases)
    aged = [msgspec.structs.replace(each, built=time.time() - 31 * 86400) for each in old.databases]
    manifest.save(databases, manifest.Manifest(databases=tuple(aged)))
    with caplog.at_level(logging.WARNING):
        assert opened(databases).locate("8.8.8.8", 5.0) is not None
    assert "31 days" in caplog.text


@pytest.mark.parametrize(
    ("name", "content"), [("x.mmdb", b""), ("x.mmdb", b"x" * 5000), ("x.csv", b"a,b\n"), ("x.csv", b"\xff")]
)
def test_a_file_that_is_no_database_replaces_nothing(
    databases: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    """The user hears in one line what is wrong, and the databases in use stay."""
    (tmp_path / name).write_bytes(content)
    before = manifest.load(databases)
    with pytest.raises(GeodbError) as raised:
        geodb.add(databases, [tmp_path / name], lambda _: None)
    assert "\n" not in str(raised.value)
    assert manifest.load(databases) == before
    assert opened(databases).locate("8.8.8.8", 5.0) is not None


def test_nothing_of_an_update_stays_behind(databases: Path) -> None:
    """Only the files the manifest names, the manifest and the lock are there afterwards."""
    named = {file.name for each in manifest.load(databases).databases for file in each.files}
    assert {path.name for path in databases.iterdir()} == named | {"manifest.json", ".lock"}


def test_ten_thousand_addresses_against_another_reader(tmp_path: Path, write_database: object) -> None:
    """For random networks and random addresses, the reader in C and the one in Python say the same."""
    draw = random.Random(3)
    networks = {f"{draw.randrange(1, 224)}.{draw.randrange(256)}.0.0/{draw.randrange(9, 25)}" for _ in range(300)}
    records = {
        str(ip_network(each, strict=False)): {"country_code": draw.choice(["DE", "FR", "US"]), "city": each}
        for each in sorted(networks, key=lambda text: int(text.rsplit("/", 1)[1]))
    }
    file = write_database(tmp_path / "x.mmdb", "city ipv4", records, 4)  # type: ignore[operator]
    geodb.add(tmp_path / "geodb", [file], lambda _: None)
    found, located = opened(tmp_path / "geodb"), 0
    with maxminddb.open_database(file, maxminddb.MODE_FILE) as second:
        for _ in range(10_000):
            address = str(ip_address(draw.randrange(2**24, 224 * 2**24)))
            ours, theirs = found.locate(address, 1.0), second.get(address)
            assert (ours and (ours.country_code, ours.city)) == (theirs and tuple(theirs.values()))  # type: ignore[union-attr]
            located += ours is not None
    assert 500 < located < 9500
