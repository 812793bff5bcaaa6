"""The samples give the ledgers that their README promises."""

import base64
import gzip
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cobalt_tasks.core import settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams import journal
from cobalt_tasks.ingest.streams.files import FileStream

Rows = dict[str, list[tuple[Any, ...]]]
SAMPLES = Path(__file__).parents[2] / "samples"


def promised() -> list[tuple[str, tuple[int, ...]]]:
    """Read the table in the samples' README."""
    found = []
    for line in (SAMPLES / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 7 and cells[1].isdigit():
            numbers = tuple(map(int, cells[1:6]))
            first, *others = cells[0].split(", ")
            stem = first.rsplit(".", 1)[0]
            found += [(name, numbers) for name in (first, *(stem + other for other in others))]
    return found


def ledger(source: Source) -> tuple[int, ...]:
    """Return the numbers in the README's order."""
    return source.read, source.accepted, source.duplicates, source.rejected, source.ignored


def test_the_table_of_samples_is_read() -> None:
    """No sample is passed over because its line in the README is not understood."""
    assert {name for name, _ in promised()} == {
        str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*") if path.is_file()
    }


@pytest.mark.parametrize(("name", "numbers"), promised())
def test_a_sample_gives_its_ledger(name: str, numbers: tuple[int, ...], ingest: Callable[..., Source]) -> None:
    """Read, accepted, duplicates, rejected and ignored are what was counted outside; again adds nothing."""
    assert ledger(ingest(SAMPLES / name)) == numbers
    assert ledger(ingest(SAMPLES / name)) == numbers


@pytest.mark.parametrize("name", ["masscan/banners.json", "masscan/open.list"])
def test_a_copy_adds_nothing_that_is_known(
    name: str, ingest: Callable[..., Source], tables: Callable[..., Rows], tmp_path: Path
) -> None:
    """Another inode is another source, whose records count; hosts, ports, banners and jobs stay as they are."""
    first = ingest(SAMPLES / name)
    before = tables()
    copy = tmp_path / "copy"
    shutil.copy(SAMPLES / name, copy)
    second = ingest(copy)
    after = tables()
    assert (second.id != first.id, ledger(second)) == (True, ledger(first))
    for table in ("hosts", "ports", "banners", "certificates", "hostnames", "jobs", "freshness"):
        assert after[table] == before[table]
    assert len(after["discoveries"]) == 2 * len(before["discoveries"])


def test_the_capture_sample_makes_the_right_jobs(ingest: Callable[..., Source], tables: Callable[..., Rows]) -> None:
    """Only public peers are located; multicast and link-local peers get no job; nothing seen in traffic is probed."""
    ingest(SAMPLES / "capture/connections.jsonl")
    jobs = {(row[0], row[1]) for row in tables()["jobs"]}
    located = {address for kind, address in jobs if kind == "geolocation"}
    assert located == {
        *("8.8.8.8", "8.8.4.4", "1.1.1.1", "208.67.222.222", "81.2.69.142", "5.6.7.8", "104.16.132.229"),
        *("151.101.1.69", "52.95.110.1", "185.199.108.133", "142.250.74.46", "2001:4860:4860::8888"),
    }
    named = {address for kind, address in jobs if kind == "domain"}
    assert named > located | {"192.168.1.20", "10.0.0.7", "100.64.1.1", "2001:db8::80"}
    assert not named & {"224.0.0.251", "fe80::1", "fe80::2"}
    assert {kind for kind, _ in jobs} == {"geolocation", "domain"}


def test_banners_become_facts(ingest: Callable[..., Source], tables: Callable[..., Rows]) -> None:
    """What masscan read at a port is a banner with its service, and is shown with the port as a whole."""
    ingest(SAMPLES / "masscan/banners.json")
    rows = tables()
    services = {row[5] for row in rows["ports"]}
    assert {"ssh", "http", "smtp", "ftp", "imap", "pop3", "mysql"} <= services
    assert not services & {"title", "X509", "html", "http.server"}
    assert all(row[8].startswith("HTTP/1.") for row in rows["ports"] if row[5] == "http")


def test_a_certificate_in_a_banner_is_a_fact(
    ingest: Callable[..., Source], tables: Callable[..., Rows], tmp_path: Path
) -> None:
    """The X509 banner is the certificate itself: its names are known without a connection of our own."""
    der = certificate("www.example.com", "example.com")
    scan = tmp_path / "scan.list"
    banner = base64.b64encode(der).decode()
    scan.write_text(
        f"open tcp 443 192.0.2.10 1760000000\nbanner tcp 443 192.0.2.10 1760000001 X509 {banner}\n"
        "banner tcp 443 192.0.2.10 1760000002 X509 MIInonsense\n",
    )
    assert ingest(scan).accepted == 3
    rows = tables()
    assert [row[1] for row in rows["certificates"]] == [der]
    assert {row[1] for row in rows["hostnames"]} == {"www.example.com", "example.com"}
    assert [row[:3] for row in rows["sightings"]] == [("192.0.2.10", "tcp", 443)]
    assert ("certificate", "192.0.2.10", "tcp", 443) in {row[:4] for row in rows["jobs"]}


def certificate(*names: str) -> bytes:
    """Make a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    alternative = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
    signed = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(("name", "numbers"), promised())
def test_a_compressed_sample_gives_its_ledger(
    name: str,
    numbers: tuple[int, ...],
    sqlite_database: Database,
    home: Path,
    tmp_path: Path,
) -> None:
    """The same from gzip."""
    file = tmp_path / "sample.gz"
    file.write_bytes(gzip.compress((SAMPLES / name).read_bytes()))
    stream = FileStream(file)
    pipeline = Pipeline(sqlite_database, settings.load(), report=pytest.fail, sends=False)
    assert ledger(pipeline.run(stream)) == numbers
    stream.close()


@pytest.mark.parametrize(("name", "numbers"), promised())
def test_a_piped_sample_gives_its_ledger(
    name: str,
    numbers: tuple[int, ...],
    sqlite_database: Database,
    home: Path,
) -> None:
    """The same through a pipe and its journal, of which nothing stays."""
    before = os.dup(0)
    feeder = subprocess.Popen(["cat", SAMPLES / name], stdout=subprocess.PIPE)
    assert feeder.stdout is not None
    try:
        os.dup2(feeder.stdout.fileno(), 0)
        stream = journal.start(settings.load().journal_folder, journal.About(name="pipe"))
    finally:
        os.dup2(before, 0)
        os.close(before)
    feeder.stdout.close()
    pipeline = Pipeline(sqlite_database, settings.load(), report=pytest.fail, sends=False)
    assert ledger(pipeline.run(stream)) == numbers
    stream.close()
    feeder.wait()
    assert stream.is_stored()
