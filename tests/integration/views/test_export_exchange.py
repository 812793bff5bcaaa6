"""Exports in forms of others, read by their own programs and lists: STIX, the Elastic Common Schema, zgrab2, nmap, PEM."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stix2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import insert, select, update

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.exports import stream
from cobalt_tasks.lab import certificate as lab_certificate
from cobalt_tasks.views.exports import ecs
from cobalt_tasks.views.exports.registry import FORMATS
from tests.support.waiting import PATIENCE

Fill = Callable[[Database], None]
ROOT = Path(__file__).parents[3]
PORT = {"address": "192.0.2.1", "first_seen": 1.0, "last_seen": 2.0}


def text_of(database: Database, table: str, form: str) -> str:
    """An export as text."""
    return "".join(FORMATS[form].chunks(stream(database, table)))


def add_ports(database: Database, *rows: dict[str, Any]) -> None:
    """Write ports of 192.0.2.1."""
    with database.writing() as connection:
        for row in rows:
            connection.execute(insert(models.ports), [{**PORT, **row}])


@pytest.mark.parametrize("table", ["hosts", "ports", "connections", "certificates"])
def test_stix2_validates_bundles(sqlite_database: Database, fill: Fill, table: str) -> None:
    """The library parses every object strictly, and makes the same id of each observable; each object is there once.

    Break: an id of random numbers, or a property the standard does not have, in views/exports/stix.py.
    """
    fill(sqlite_database)
    text = text_of(sqlite_database, table, "stix")
    bundle = stix2.parse(text, allow_custom=False)
    ids = [each.id for each in bundle.objects]
    assert len(ids) == len({*ids}) >= 3
    for each, raw in zip(bundle.objects, json.loads(text)["objects"], strict=True):
        if each.type in {"ipv4-addr", "ipv6-addr", "domain-name", "network-traffic", "software", "x509-certificate"}:
            rest = {name: value for name, value in raw.items() if name not in {"id", "type", "spec_version"}}
            assert stix2.registry.class_for_type(each.type, "2.1", "observables")(**rest).id == each.id
    known = {*ids}
    assert all({*each["object_refs"]} <= known for each in bundle.objects if each.type == "observed-data")
    again = json.loads(text_of(sqlite_database, table, "stix"))["objects"]
    assert [each["id"] for each in again] == ids


@pytest.mark.parametrize("seconds", [1.0, 1.5, 1.25, 1.125, 10.0])
def test_traffic_has_the_id_of_its_library_whenever_it_began(
    sqlite_database: Database, fill: Fill, seconds: float
) -> None:
    """The id is made of the time's text, and the library writes no zeros at its end. Break: `start` as other exports have it."""
    fill(sqlite_database)
    with sqlite_database.writing() as connection:
        connection.execute(update(models.observations).values(observed_at=seconds))
    bundle = json.loads(text_of(sqlite_database, "connections", "stix"))
    found = [each for each in bundle["objects"] if each["type"] == "network-traffic"]
    assert found
    for each in found:
        rest = {name: value for name, value in each.items() if name not in {"id", "type", "spec_version"}}
        assert stix2.v21.NetworkTraffic(**rest).id == each["id"]


def test_an_empty_bundle_is_valid(sqlite_database: Database) -> None:
    """A list of objects may not be empty: there is none then."""
    document = json.loads(text_of(sqlite_database, "hosts", "stix"))
    assert "objects" not in stix2.v21.Bundle(**document)


def fields(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The names of a document's fields, with dots, and their values."""
    for name, value in document.items():
        if isinstance(value, dict) and name != "location":
            yield from fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


@pytest.mark.parametrize("table", list(ecs.TABLES))
def test_documents_have_fields_of_the_elastic_common_schema_alone(
    sqlite_database: Database, fill: Fill, table: str
) -> None:
    """Each field is in the published list, with its type, its allowed values, and as a list where it is one.

    Break: rename a field in views/exports/ecs.py.
    """
    fill(sqlite_database)
    found = {"rule": "risky_port", "subject": "tcp/22", "points": 0.3, "source": "scan", "observed_at": 1.0}
    with sqlite_database.writing() as connection:
        rest = {"address": "198.51.100.7", "detail": "tcp/22 is open", "rule_version": "1"}
        connection.execute(insert(models.findings), [{**found, **rest}])
    lines = (ROOT / "tests" / "samples" / "ecs_fields.tsv").read_text().splitlines()
    published = {name: rest for name, *rest in (line.split("\t") for line in lines)}
    documents = [json.loads(line) for line in text_of(sqlite_database, table, "ecs").splitlines()]
    assert documents
    for name, value in (each for document in documents for each in fields(document)):
        assert name in published, name
        sort, allowed, normalised = published[name]
        assert isinstance(value, list) == (normalised == "array"), name
        values = value if isinstance(value, list) else [value]
        assert not allowed or {*values} <= {*allowed.split("|")}, name
        python = {"long": int, "float": float | int, "geo_point": dict}.get(sort, str)
        assert all(isinstance(each, python) for each in values), name
        assert sort != "date" or all(each.endswith("Z") for each in values), name


def test_ingest_reads_zgrab2_back(sqlite_database: Database, settings: Settings, tmp_path: Path) -> None:
    """A ledger made of the export knows the same service, product, version and banner on each port.

    Break: leave out the product in views/exports/zgrab2.py.
    """
    add_ports(
        sqlite_database,
        {
            "protocol": "tcp",
            "port": 22,
            "service": "ssh",
            "product": "OpenSSH",
            "version": "9.6",
            "banner": "SSH-2.0-ä",
        },
        {"protocol": "tcp", "port": 8443, "service": "https", "product": "nginx", "banner": "HTTP/1.1 200 OK"},
        {"protocol": "tcp", "port": 9999},
        {"protocol": "udp", "port": 123, "service": "ntp"},
        {"protocol": "tcp", "port": 25, "service": "smtp", "unconfirmed_since": 3.0, "closed_since": 3.0},
    )
    file = tmp_path / "ports.json"
    file.write_text(text_of(sqlite_database, "ports", "zgrab2"))
    command = [sys.executable, "-m", "cobalt_tasks", "ingest", "zgrab2", str(file)]
    url = f"sqlite:///{tmp_path / 'second.db'}"
    environment = {**os.environ, "COBALT_DATABASE_URL": url, "COBALT_SCOPE": "127.0.0.0/8"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    second = Database(url)
    names = ("address", "protocol", "port", "service", "product", "version", "banner")
    chosen = select(*(models.ports.c[name] for name in names)).order_by(models.ports.c.port)
    with sqlite_database.reading() as connection:
        wanted = [tuple(row) for row in connection.execute(chosen.where(models.ports.c.closed_since.is_(None)))]
    with second.reading() as connection:
        read_back = [tuple(row) for row in connection.execute(chosen)]
    second.dispose()
    assert read_back == wanted, ran.stderr


def test_nmap_reads_its_targets(sqlite_database: Database, tmp_path: Path) -> None:
    """`nmap -iL` lists the address, and its open ports are a comment in the form of `-p`."""
    closed = {"unconfirmed_since": 3.0, "closed_since": 3.0}
    add_ports(
        sqlite_database,
        {"protocol": "tcp", "port": 22},
        {"protocol": "tcp", "port": 80},
        {"protocol": "tcp", "port": 81, **closed},
        {"protocol": "udp", "port": 53},
        {"address": "2001:db8::1", "protocol": "tcp", "port": 443},
        {"address": "192.0.2.9", "protocol": "tcp", "port": 443, **closed},
    )
    text = text_of(sqlite_database, "ports", "nmap-targets")
    assert text == "192.0.2.1 # -p T:22,80,U:53\n2001:db8::1 # -p T:443\n"
    file = tmp_path / "targets.txt"
    file.write_text(text.splitlines()[0])
    ran = subprocess.run(
        ["nmap", "-sL", "-n", "-iL", file], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert "Nmap scan report for 192.0.2.1" in ran.stdout
    assert "1 IP address" in ran.stdout


def test_hosts_as_targets_are_addresses(sqlite_database: Database, fill: Fill) -> None:
    """One address a line, and nothing else."""
    fill(sqlite_database)
    lines = text_of(sqlite_database, "hosts", "nmap-targets").splitlines()
    assert sorted(lines) == ["192.168.1.2", "198.51.100.7", "198.51.100.8", "198.51.100.9"]


def test_pem_holds_each_certificate_once(sqlite_database: Database, fill: Fill, tmp_path: Path) -> None:
    """A certificate that two ports show is there once; one without its bytes is left out. Break: `Recent` in pem_file.py."""
    fill(sqlite_database)
    lab_certificate.context(tmp_path, "127.0.0.1")
    pem = next(text for file in tmp_path.iterdir() if "BEGIN CERTIFICATE" in (text := file.read_text()))
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    known = {"fingerprint": "cd" * 32, "der": der, "subject": "", "issuer": "", "serial": "1", "names": "[]"}
    times = {"not_before": 1.0, "not_after": 2.0, "self_signed": True}
    seen = {
        "protocol": "tcp",
        "port": 443,
        "fingerprint": "cd" * 32,
        "source": "probe",
        "first_seen": 1.0,
        "last_seen": 2.0,
    }
    with sqlite_database.writing() as connection:
        connection.execute(update(models.certificates).values(der=b""))
        connection.execute(insert(models.certificates), [{**known, **times}])
        connection.execute(insert(models.sightings), [{**seen, "address": f"192.0.2.{host}"} for host in (1, 2)])
    found = x509.load_pem_x509_certificates(text_of(sqlite_database, "certificates", "pem").encode())
    assert [each.public_bytes(Encoding.DER) for each in found] == [der]
