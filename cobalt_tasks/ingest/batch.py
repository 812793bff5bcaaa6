"""What a format made of a piece of input."""

from typing import Any, Final

from cobalt_tasks.core import x509
from cobalt_tasks.core.records import Certificate, Discovery, HardwareAddress, Hostname, Observation, Sighting
from cobalt_tasks.core.text import hostname, mac_address, printable
from cobalt_tasks.hosts.facts import banner_digest
from cobalt_tasks.ingest.store.rejects import KEPT

LONGEST_TEXT: Final = 4096
"""Characters of any text of a line that are stored."""

_LONGEST_REASON: Final = 300
_LONGEST_VENDOR: Final = 128


class RefusedError(ValueError):
    """A record cannot be used; the message says why. It becomes a reject, never an error of ours."""


class Batch:
    """Records of one source, as rows (see ingest/store/write_batch.py) where there are many, as contracts where there are few.

    A format calls exactly one of `observe`, `discover`, `reject` and `ignore` for each record: so the ledger balances.
    """

    __slots__ = (
        "arrived_at",
        "certificates",
        "discoveries",
        "hardware_addresses",
        "hostnames",
        "identified",
        "ignored",
        "observations",
        "rejects",
        "sightings",
        "source_id",
        "spoken",
        "tool",
    )

    def __init__(self, source_id: int, arrived_at: float, tool: str = "") -> None:
        """Begin empty. `tool` names the program that wrote the input, for the facts taken from it."""
        self.source_id = source_id
        self.arrived_at = arrived_at
        self.tool = tool
        self.observations: list[tuple[Any, ...]] = []
        self.identified: list[tuple[Any, ...]] = []
        self.discoveries: list[tuple[Any, ...]] = []
        self.rejects: list[tuple[Any, ...]] = []
        self.spoken: list[Discovery] = []
        self.hostnames: list[Hostname] = []
        self.hardware_addresses: list[HardwareAddress] = []
        self.certificates: list[Certificate] = []
        self.sightings: list[Sighting] = []
        self.ignored = 0

    @property
    def records(self) -> int:
        """How many records were read."""
        seen = len(self.observations) + len(self.identified) + len(self.discoveries)
        return seen + len(self.rejects) + self.ignored

    def observe(self, seen: Observation) -> None:
        """Take a connection seen in traffic."""
        rows = self.observations if seen.identity is None else self.identified
        rows.append(
            (
                self.source_id,
                self.arrived_at if seen.observed_at is None else seen.observed_at,
                self.arrived_at,
                seen.src_ip,
                seen.src_port,
                seen.dst_ip,
                seen.dst_port,
                seen.protocol,
                seen.process,
                seen.identity,
                seen.details,
            ),
        )

    def discover(self, found: Discovery) -> None:
        """Take an open port, or a banner read there."""
        key = ""
        if found.banner is not None or found.service is not None or found.details is not None:
            key = _discovery_key(found)
            if found.banner is not None or found.service is not None:
                self.spoken.append(found)
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
            at = min(self.arrived_at if when is None else when, self.arrived_at)
            name = printable(vendor[:_LONGEST_VENDOR].encode()) if isinstance(vendor, str) and vendor else None
            found = HardwareAddress(address=address, mac=checked, source=self.tool, observed_at=at, vendor=name)
            self.hardware_addresses.append(found)

    def name(self, address: str, name: object, source: str, when: float | None) -> None:
        """Take a name met for an address, if it is a host name at all; for `source` see contracts.Hostname."""
        if isinstance(name, str) and (checked := hostname(name)):
            at = min(self.arrived_at if when is None else when, self.arrived_at)
            self.hostnames.append(Hostname(address=address, name=checked, source=source, observed_at=at))

    def certificate(self, address: str, protocol: str, port: int, der: bytes, when: float | None) -> None:
        """Take a certificate seen on a port, with its names; nothing when it is none."""
        parsed = x509.parse(der)
        if parsed is None:
            return
        at = min(self.arrived_at if when is None else when, self.arrived_at)
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

    def reject(self, position: int, reason: str, line: bytes) -> None:
        """Keep a record that was refused, as far as it is kept."""
        shown = reason.replace("\x00", "\\x00")[:_LONGEST_REASON]
        self.rejects.append((self.source_id, position, shown, line[:KEPT], self.arrived_at))

    def ignore(self, records: int = 1) -> None:
        """Count what is understood and not wanted."""
        self.ignored += records


def _discovery_key(found: Discovery) -> str:
    """Return what distinguishes two discoveries of one port: the service, the banner and the details."""
    raw = found.banner or b""
    if found.details is not None:
        raw += b"\0" + found.details.encode()
    return banner_digest(found.service, raw)
