"""A ledger of many hosts all over the world, with a bit of everything that the overview shows, written in bulk."""

import random
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import insert

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.durations import DAY, HOUR, MINUTE
from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import flows, map_cells
from tests.support.recount import recount

CITIES: Final = (
    ("US", "United States", "Ashburn", 39.04, -77.49), ("US", "United States", "San Jose", 37.34, -121.89),
    ("DE", "Germany", "Frankfurt", 50.11, 8.68), ("DE", "Germany", "Berlin", 52.52, 13.40),
    ("NL", "Netherlands", "Amsterdam", 52.37, 4.89), ("FR", "France", "Paris", 48.86, 2.35),
    ("GB", "United Kingdom", "London", 51.51, -0.13), ("SE", "Sweden", "Stockholm", 59.33, 18.07),
    ("JP", "Japan", "Tokyo", 35.69, 139.69), ("SG", "Singapore", "Singapore", 1.35, 103.82),
    ("IN", "India", "Mumbai", 19.08, 72.88), ("BR", "Brazil", "São Paulo", -23.55, -46.63),
    ("AU", "Australia", "Sydney", -33.87, 151.21), ("NZ", "New Zealand", "Auckland", -36.85, 174.76),
    ("ZA", "South Africa", "Johannesburg", -26.20, 28.05), ("CA", "Canada", "Montreal", 45.50, -73.57),
)  # fmt: skip
NETWORKS: Final = """
["10.0.0.0/8"]
name = "Cologne"
latitude = 50.94
longitude = 6.96
["172.16.0.0/12"]
name = "Wellington"
latitude = -41.29
longitude = 174.78
"""
SERVICES: Final = ((22, "ssh", "OpenSSH", "9.6p1"), (443, "https", "nginx", "1.26.2"), (80, "http", "nginx", "1.26.2"))
REASONS: Final = (
    ("risky_port", "tcp/23", 0.3, "tcp/23 (telnet) is open"),
    ("cleartext_service", "tcp/21", 0.2, "tcp/21 speaks FTP without TLS"),
    ("expired_certificate", "tcp/443", 0.2, "the certificate at tcp/443 expired 12 days ago"),
    ("blocklist", "Example DROP", 0.25, "is listed by Example DROP"),
)
_AT_ONCE: Final = 5_000

Rows = list[dict[str, Any]]


def address(number: int) -> str:
    """Return the address of a host by its number."""
    return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def fill(database: Database, home: Path, hosts: int) -> None:
    """Write `hosts` hosts and what goes with them; `home` gets two own networks."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "networks.toml").write_text(NETWORKS)
    draw, now = random.Random(15), time.time()
    for start in range(0, hosts, _AT_ONCE):
        numbers = range(start, min(hosts, start + _AT_ONCE))
        with database.writing() as connection:
            for table, rows in _hosts(draw, now, numbers).items():
                connection.execute(insert(tables.metadata.tables[table]), rows)
    with database.writing() as connection:
        for table, rows in _rest(draw, now, hosts).items():
            connection.execute(insert(tables.metadata.tables[table]), rows)
        recount(connection)
    counting = map_cells.MapCells()
    while counting.refresh(database):
        pass
    flows.keep_up(database, own_networks.load(home), 60.0)


def _hosts(draw: random.Random, now: float, numbers: range) -> dict[str, Rows]:
    found: dict[str, Rows] = {"hosts": [], "locations": [], "ports": []}
    for number in numbers:
        seen = {"first_seen": now - draw.uniform(2, 90) * DAY, "last_seen": now - draw.uniform(60, DAY)}
        code, country, city, latitude, longitude = CITIES[min(draw.randrange(len(CITIES)), draw.randrange(len(CITIES)))]
        found["hosts"].append({**seen, "address": address(number), "discovered": number % 2 == 0})
        place = {
            "country_code": code,
            "country_name": country,
            "city": city,
            "latitude": latitude,
            "longitude": longitude,
        }
        more = {
            "provider": "mmdb",
            "fetched_at": now,
            "asn": 64496 + number % 9,
            "organisation": f"Example {number % 9}",
        }
        found["locations"].append({**place, **more, "address": address(number)})
        port, service, product, version = SERVICES[number % len(SERVICES)]
        kept = {"protocol": "tcp", "port": port, "service": service, "product": product, "version": version}
        found["ports"].append({**seen, **kept, "address": address(number)})
    return found


def _rest(draw: random.Random, now: float, hosts: int) -> dict[str, Rows]:
    found: dict[str, Rows] = {"sources": [_source(now)], "findings": [], "scores": [], "changes": []}
    for number in range(min(40, hosts)):
        reasons = REASONS[: 1 + number % len(REASONS)]
        same = {"address": address(number), "rule_version": "1", "source": "scan", "observed_at": now}
        names = ("rule", "subject", "points", "detail")
        found["findings"] += [{**same, **dict(zip(names, each, strict=True))} for each in reasons]
        score = min(1.0, sum(each[2] for each in reasons))
        found["scores"].append({"address": address(number), "score": score, "rule_version": "1", "scored_at": now})
        kind = ("port opened", "host found", "version changed", "port closed")[number % 4]
        target = {"address": address(number), "protocol": "tcp", "port": 22, "old": "OpenSSH 9.5", "new": "OpenSSH 9.6"}
        at = now - number * 1800 - 60
        found["changes"].append({**target, "kind": kind, "observed_at": at, "recorded_at": at, "source_id": 1})
    # As they are recorded: the oldest first.
    found["changes"].reverse()
    found["certificates"] = [_certificate(now, number) for number in range(4)]
    seen = {"protocol": "tcp", "port": 443, "source": "probe", "first_seen": now - 30 * DAY, "last_seen": now}
    found["sightings"] = [{**seen, "address": address(n), "fingerprint": f"{n:064x}"} for n in range(4)]
    found["traffic_counts"] = [
        {
            "span": span,
            "start": int((now - n * length) // length * length),
            "protocol": protocol,
            "slot": 0,
            "connections": number,
        }
        for span, length, count in (("minute", MINUTE, 180), ("hour", HOUR, 31 * 24), ("day", DAY, 60))
        for n in range(count)
        for protocol, number in (("tcp", draw.randrange(20, 60) * int(length // 60)), ("udp", int(length // 6)))
    ]
    same = {"source_id": 1, "protocol": "tcp", "dst_port": 443, "src_port": 40000}
    found["observations"] = [
        {
            **same,
            "src_ip": ("10.0.0.5", "172.16.0.9")[n % 3 == 0],
            "dst_ip": address(draw.randrange(min(hosts, 500))),
            "observed_at": now - 60 - n,
            "arrived_at": now - 60 - n,
        }
        for n in range(2000)
    ]
    return found


def _source(now: float) -> dict[str, Any]:
    counts = {"read": 2040, "accepted": 2000, "duplicates": 30, "rejected": 6, "ignored": 4}
    return {"name": "capture.jsonl", "format": "capture", "created_at": now - DAY, "updated_at": now, **counts}


def _certificate(now: float, number: int) -> dict[str, Any]:
    name = f"shop{number}.example.com"
    return {
        "fingerprint": f"{number:064x}",
        "der": b"",
        "subject": f"CN={name}",
        "issuer": "CN=Example CA",
        "serial": str(number),
        "not_before": now - 60 * DAY,
        "not_after": now + (3 + 6 * number) * DAY,
        "self_signed": False,
        "names": msgspec.json.encode([name]).decode(),
    }
