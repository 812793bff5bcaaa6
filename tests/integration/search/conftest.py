"""A ledger of some hundred hosts with ports, names, certificates, locations and connections, the same in every run."""

import random
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, insert, select, update

from cobalt_tasks.core.records import Banner, Certificate, Facts, Hostname, Location, Sighting
from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.hosts.search import texts
from cobalt_tasks.threat import store as threat

DAY = 86400.0
HOSTS = 200
CONNECTIONS = 1500
SERVICES = [
    ("ssh", "OpenSSH", ["6.6p1", "8.9p1", "9.3", "10.0"], [22, 2222]),
    ("http", "nginx", ["1.9.1", "1.10", "1.25.3"], [80, 8080]),
    ("https", "Apache httpd", ["2.4.58", "2.2"], [443, 8443]),
    ("smtp", None, [], [25]),
    (None, None, [], [5353, 31337]),
]


def address(number: int) -> str:
    """The address of a host: some in 10.0.0.0/16, some public, some IPv6."""
    if number % 5 == 0:
        return f"2001:db8:{number:x}::{number:x}"
    return f"10.0.{number % 3}.{number}" if number % 2 else f"198.51.100.{number}"


def fill(database: Database) -> None:
    """Write the sample, as of now, through the code that writes facts."""
    chance = random.Random(7)
    now = time.time()
    found = Facts()
    hosts, ports = [], []
    for number in range(1, HOSTS):
        host = address(number)
        seen = now - chance.uniform(0, 20) * DAY
        hosts.append({"address": host, "first_seen": seen - DAY, "last_seen": seen, "discovered": number % 2 == 0})
        if number % 7:
            found.locations.append(_location(chance, host, seen))
        for _ in range(chance.randint(0, 3)):
            name = f"{chance.choice(['www', 'mail', 'WWW2', 'ns'])}.{chance.choice(['example.com', 'a.example.org', 'test'])}"
            found.hostnames.append(Hostname(address=host, name=name, source="ptr", observed_at=seen))
        for service, product, versions, numbers in chance.sample(SERVICES, chance.randint(0, 4)):
            port = chance.choice(numbers)
            protocol = "udp" if port == 5353 else "tcp"
            if service is None:
                ports.append((host, protocol, port, seen))
                continue
            text = f"{product or service} says hello {number}"
            found.banners.append(
                Banner(
                    address=host, protocol=protocol, port=port, source="probe", observed_at=seen, text=text,
                    raw=text.encode(), service=service, product=product,
                    version=chance.choice(versions) if versions else None,
                )
            )  # fmt: skip
            if service == "https":
                _add_certificate(chance, found, host, port, now)
    with database.writing() as connection:
        connection.execute(insert(tables.hosts), hosts)
        facts.write(connection, found)
        for host, protocol, port, seen in ports:
            row = {"address": host, "protocol": protocol, "port": port, "first_seen": seen, "last_seen": seen}
            connection.execute(insert(tables.ports), row)
        _close_some(connection, now)
        threat.write_scores(
            connection, {each["address"]: chance.choice([0.0, 0.3, 0.5, 0.9]) for each in hosts[:150]}, "1"
        )
        rule = {"subject": "", "points": 0.3, "source": "scan", "observed_at": now, "detail": "", "rule_version": "1"}
        connection.execute(
            insert(tables.findings),
            [
                {"address": each["address"], "rule": "risky_port", **rule}
                for each in hosts
                if each["last_seen"] > now - 5 * DAY
            ],
        )
        connection.execute(insert(tables.observations), list(_connections(chance, now)))
    texts.index(database, 30)


def _close_some(connection: Connection, now: float) -> None:
    """Let every fifth port be closed, and every seventh not confirmed."""
    rows = connection.execute(select(*tables.ports.primary_key).order_by(*tables.ports.primary_key)).all()
    for number, key in enumerate(rows):
        if number % 5 and number % 7:
            continue
        this = [column == value for column, value in zip(tables.ports.primary_key, key, strict=True)]
        values = {"unconfirmed_since": now - DAY, "closed_since": None if number % 5 else now - DAY / 2}
        connection.execute(update(tables.ports).where(*this).values(values))


def _location(chance: random.Random, host: str, seen: float) -> Location:
    country, city = chance.choice(
        [("DE", "Berlin"), ("DE", "Köln"), ("NL", "Amsterdam"), ("US", "New York"), (None, None)]
    )
    asn = chance.choice([64496, 64497, 3320])
    return Location(
        address=host, provider="mmdb", fetched_at=seen, country_code=country, city=city, asn=asn,
        organisation=f"Network {asn}, Inc.",
    )  # fmt: skip


def _add_certificate(chance: random.Random, found: Facts, host: str, port: int, now: float) -> None:
    number = chance.randint(1, 40)
    fingerprint = f"{number:064x}"
    if all(each.fingerprint != fingerprint for each in found.certificates):
        found.certificates.append(
            Certificate(
                fingerprint=fingerprint, der=b"", subject=f"CN=www{number}.example.com", issuer=f"CN=CA {number % 3}",
                serial=str(number), not_before=0.0, not_after=now + chance.uniform(-30, 60) * DAY,
                self_signed=number % 4 == 0, names=(f"WWW{number}.example.com", "alt.test"),
            )
        )  # fmt: skip
    found.sightings.append(
        Sighting(address=host, protocol="tcp", port=port, fingerprint=fingerprint, source="probe", observed_at=now)
    )


def _connections(chance: random.Random, now: float) -> Iterator[dict[str, object]]:
    for number in range(CONNECTIONS):
        at = now - (CONNECTIONS - number) * 60.0
        yield {
            "source_id": 1,
            "observed_at": at,
            "arrived_at": at,
            "src_ip": address(chance.randint(1, HOSTS - 1)),
            "src_port": 40000 + number,
            "dst_ip": address(chance.randint(1, HOSTS - 1)),
            "dst_port": chance.choice([22, 80, 443, 8443, 5353]),
            "protocol": chance.choice(["tcp", "tcp", "udp"]),
            "process": chance.choice([None, "Firefox", "curl", "firefox-bin"]),
        }


@pytest.fixture
def ledger(database: Database) -> Database:
    """The sample on each database."""
    fill(database)
    return database
