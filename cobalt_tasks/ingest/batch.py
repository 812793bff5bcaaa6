"""One batch of input: what a format read of it, and what follows from that. It is written in one transaction."""

from typing import Any, Final

from msgspec import structs

from cobalt_tasks.core import x509
from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.changes import ScanPart
from cobalt_tasks.core.records import (
    Banner,
    Certificate,
    Discovery,
    FactRank,
    Facts,
    HardwareAddress,
    Hostname,
    NewJob,
    Observation,
    Sighting,
)
from cobalt_tasks.core.text import hostname, local_name, mac_address, printable
from cobalt_tasks.hosts.facts import banner_digest
from cobalt_tasks.ingest.connections import IdentifiedConnection, identified, key_of
from cobalt_tasks.ingest.store.rejects import KEPT_BYTES

LONGEST_TEXT: Final = 4096
"""Characters of any text of a line that are stored."""

_LOCAL_SOURCES: Final = frozenset({"ptr", "dhcp"})
"""Sources of names that may have one label only, on a local network."""

_LONGEST_REASON: Final = 300
_LONGEST_VENDOR: Final = 128

Rows = list[tuple[Any, ...]]


class RefusedError(ValueError):
    """A record cannot be used; the message is the reason. It becomes a reject, never an error of ours."""


class Batch:
    """Records of one source, and the hosts, ports, facts and jobs that follow from them (`ingest/derive.py` adds those).

    A format calls exactly one of `observe`, `discover`, `reject` and `ignore` for each record: so the ledger balances.
    What comes in thousands is held as rows, in the order of the columns in `ingest/store/write_batch.py`.

    Attributes:
        source_id: the source in the ledger.
        arrived_at: when the input arrived, in epoch seconds.
        tool: the program that wrote the input, for the facts taken from it.
        observations: rows of connections without an identity.
        identified: connections with one, by the key of their identity.
        joined: how many lines joined a connection of this batch.
        banners: discoveries with a banner, or with a service.
        in_traffic: ports that only traffic shows, as (address, protocol, port).
        own: hosts in own networks, whose first sight in traffic is a change too.
        scans: what scans show beside open ports, in the order of the input.
        written_at: when the lines that are being read were written, as far as what they are wrapped in shows; else
            `arrived_at`.
        evidence: banners that report something about a port without naming its service (a page's title).

    """

    __slots__ = (
        "arrived_at",
        "banners",
        "certificates",
        "discoveries",
        "evidence",
        "facts",
        "hardware_addresses",
        "hostnames",
        "hosts",
        "identified",
        "ignored",
        "in_traffic",
        "jobs",
        "joined",
        "observations",
        "own",
        "ports",
        "rejects",
        "scans",
        "sightings",
        "source_id",
        "tool",
        "written_at",
    )

    def __init__(self, source_id: int, arrived_at: float, tool: str = "") -> None:
        """Start empty; `source_id`, `arrived_at` and `tool` are attributes."""
        self.source_id = source_id
        self.arrived_at = self.written_at = arrived_at
        self.tool = tool
        self.observations: Rows = []
        self.identified: dict[int, IdentifiedConnection] = {}
        self.joined = 0
        self.discoveries: Rows = []
        self.rejects: Rows = []
        self.ignored = 0
        self.banners: list[Discovery] = []
        self.in_traffic: set[tuple[str, str, int]] = set()
        self.hostnames: list[Hostname] = []
        self.hardware_addresses: list[HardwareAddress] = []
        self.certificates: list[Certificate] = []
        self.sightings: list[Sighting] = []
        self.scans: list[ScanPart] = []
        # What follows.
        self.own: set[str] = set()
        self.hosts: Rows = []
        self.ports: Rows = []
        self.facts = Facts()
        self.evidence: list[Banner] = []
        self.jobs: list[NewJob] = []

    @property
    def records(self) -> int:
        """How many records were read."""
        seen = len(self.observations) + len(self.identified) + self.joined + len(self.discoveries)
        return seen + len(self.rejects) + self.ignored

    def observe(self, seen: Observation) -> None:
        """Add a connection seen in traffic; lines with the same identity become one."""
        observed_at = self.written_at if seen.observed_at is None else seen.observed_at
        if seen.identity is not None:
            line = identified(seen, observed_at)
            if (known := self.identified.setdefault(key_of(self.tool, seen), line)) is not line:
                known.join(line)
                self.joined += 1
            return
        self.observations.append(
            (
                self.source_id,
                observed_at,
                self.arrived_at,
                seen.src_ip,
                seen.src_port,
                seen.dst_ip,
                seen.dst_port,
                seen.protocol,
                seen.process,
                None,
                seen.details,
            ),
        )

    def discover(self, found: Discovery) -> None:
        """Add an open port, or a banner read there."""
        if found.observed_at is None and self.written_at != self.arrived_at:
            found = structs.replace(found, observed_at=self.written_at)
        key = ""
        if found.banner is not None or found.service is not None or found.details is not None:
            key = _discovery_key(found)
            if found.banner is not None or found.service is not None:
                self.banners.append(found)
        if found.seen_in_traffic:
            self.in_traffic.add((found.address, found.protocol, found.port))
        self.discoveries.append(
            (
                self.source_id,
                found.address,
                found.protocol,
                found.port,
                key,
                self.arrived_at if found.observed_at is None else found.observed_at,
                self.arrived_at,
                found.reason,
                found.ttl,
                found.details,
            ),
        )

    def hardware(self, address: str, mac: object, vendor: object, when: float | None) -> None:
        """Add the MAC address of a host, if it is one.

        address: the host, canonical; mac: what the input has there; vendor: the manufacturer as the input names it, None
        if it does not; when: epoch seconds, None for the arrival.
        """
        if isinstance(mac, str) and (checked := mac_address(mac)):
            at = self._not_later(when)
            name = printable(vendor[:_LONGEST_VENDOR].encode()) if isinstance(vendor, str) and vendor else None
            found = HardwareAddress(address=address, mac=checked, source=self.tool, observed_at=at, vendor=name)
            self.hardware_addresses.append(found)

    def serve(self, server: tuple[str, str, int], service: str, banner: bytes, when: float | None) -> None:
        """Add a service that a record of traffic reports beside its connection: it is no record of its own.

        server: address, protocol and port; service: its name; banner: what it sent; when: epoch seconds, None for the
        arrival.
        """
        address, protocol, port = server
        found = Discovery(
            address=address,
            protocol=protocol,
            port=port,
            observed_at=when,
            service=service,
            banner=banner,
            rank=FactRank.TRAFFIC,
            seen_in_traffic=True,
        )
        self.banners.append(found)
        self.in_traffic.add(server)

    def name(self, address: str, name: object, source: str, when: float | None) -> None:
        """Add a name met for a host, if it is a host name at all.

        address: the host, canonical; name: what the input has there; source: see `records.Hostname`;
        when: epoch seconds, None for the arrival.
        """
        checked = hostname(name) if isinstance(name, str) else None
        if checked is None and isinstance(name, str) and source in _LOCAL_SOURCES and not is_public(address):
            checked = local_name(name)
        if checked:
            self.hostnames.append(
                Hostname(address=address, name=checked, source=source, observed_at=self._not_later(when))
            )

    def certificate(self, address: str, protocol: str, port: int, der: bytes, when: float | None) -> None:
        """Add a certificate seen on a port, with its names; nothing when it cannot be parsed.

        address, protocol, port: where it was seen; der: its bytes; when: epoch seconds, None for the arrival.
        """
        parsed = x509.parse(der)
        if parsed is None:
            return
        at = self._not_later(when)
        self.certificates.append(parsed)
        self.sightings.append(
            Sighting(
                address=address,
                protocol=protocol,
                port=port,
                fingerprint=parsed.fingerprint,
                source=self.tool,
                observed_at=at,
            ),
        )
        for each in parsed.names:
            self.name(address, each, "certificate", at)

    def scan(self) -> ScanPart:
        """Return the part of a scan that is being read."""
        if not self.scans or self.scans[-1].ended:
            self.scans.append(ScanPart())
        return self.scans[-1]

    def begin_scan(self) -> None:
        """Note that another scan starts here."""
        self.scans.append(ScanPart(is_start=True))

    def close(self, address: str, protocol: str, port: int, when: float | None) -> None:
        """Note a port that the scan reports closed; it counts once the scan has ended well.

        address, protocol, port: which one; when: epoch seconds, None for the arrival.
        """
        self.scan().closed.append((address, protocol, port, self._not_later(when)))

    def cover(self, address: str, when: float | None, *, is_rest_closed: bool) -> None:
        """Note a host whose scan is whole.

        address: the host, canonical; when: epoch seconds, None for the arrival;
        is_rest_closed: whether each port that is not listed was reported closed.
        """
        self.scan().hosts.append((address, self._not_later(when), is_rest_closed))

    def reject(self, position: int, reason: str, line: bytes) -> None:
        """Keep a record that was refused, up to a length.

        position: its byte offset in the decompressed input; reason: one line for people; line: its bytes.
        """
        shown = reason.replace("\x00", "\\x00")[:_LONGEST_REASON]
        self.rejects.append((self.source_id, position, shown, line[:KEPT_BYTES], self.arrived_at))

    def ignore(self, records: int = 1) -> None:
        """Count `records` that are understood and not used."""
        self.ignored += records

    def _not_later(self, when: float | None) -> float:
        return min(self.written_at if when is None else when, self.arrived_at)


def _discovery_key(found: Discovery) -> str:
    """Return what distinguishes two discoveries of one port: the service, the banner and the details."""
    raw = found.banner or b""
    if found.details is not None:
        raw += b"\0" + found.details.encode()
    return banner_digest(found.service, raw)
