"""Many global hosts at once, and what it takes to work on them without a packet leaving this machine."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from cobalt_tasks.geolocation.local import install as geodb

_FIRST = int(IPv4Address("20.0.0.0"))
_APART = 257
_SCANNED_AT = 1_760_000_000
_PLACE = {"city": "Sampleton", "country_code": "US", "latitude": 1.5, "longitude": 2.5, "postcode": "", "timezone": ""}


def addresses(count: int) -> Iterator[str]:
    """Yield different global IPv4 addresses."""
    return (str(IPv4Address(_FIRST + number * _APART)) for number in range(count))


def write_scan(file: Path, hosts: int) -> Path:
    """Write what masscan says of one open port on each host."""
    with file.open("w") as scan:
        for address in addresses(hosts):
            data = {"status": "open", "reason": "syn-ack", "ttl": 64}
            record = {"ip": address, "timestamp": str(_SCANNED_AT), "port": 443, "proto": "tcp"}
            scan.write(json.dumps({**record, "rec_type": "status", "data": data}) + "\n")
    return file


def write_capture(file: Path, lines: int, hosts: int) -> Path:
    """Write connections from one machine to some of those hosts."""
    known = list(addresses(hosts))
    with file.open("w") as capture:
        for number in range(lines):
            ends = {"src_ip": "192.0.2.2", "dst_ip": known[number % len(known)], "dst_port": 443 + number // len(known)}
            metadata = {"protocol": "TCP", "state": "ESTAB", "process": "curl"}
            capture.write(json.dumps({"type": "connection", "event": "new", **ends, "metadata": metadata}) + "\n")
    return file


def install_geodb(home: Path) -> None:
    """Install a local database that knows all of those hosts."""
    file = home / "city-ipv4.mmdb"
    writer = MMDBWriter(4, "city ipv4", languages=["en"], float_type="f32")
    writer.insert_network(IPSet(["20.0.0.0/6"]), _PLACE)
    writer.to_db_file(str(file))
    geodb.add(home / "geodb", [file], lambda _: None)


class NoName(socketserver.BaseRequestHandler):
    """A DNS server that knows no name (RFC 1035: the question back, as an answer with code 3)."""

    def handle(self) -> None:
        """Answer one datagram."""
        question, own = self.request
        own.sendto(question[:2] + b"\x81\x83" + question[4:], self.client_address)


@contextmanager
def resolver() -> Iterator[str]:
    """The address and port of such a server."""
    with socketserver.UDPServer(("127.0.0.1", 0), NoName) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def settings(home: Path, resolver_at: str) -> dict[str, str]:
    """Return the environment in which no packet leaves this machine."""
    return {
        "COBALT_HOME": str(home),
        "COBALT_SCOPE": "127.0.0.0/8",
        "COBALT_GEO_PROVIDERS": "mmdb",
        "COBALT_RESOLVERS": resolver_at,
    }
