"""The XML of nmap and masscan (-oX), read host by host as it comes; a file cut before its end is fine.

Each <host> is parsed as a document of its own. Without a DOCTYPE there are no entities to expand, and one inside a host
is an error of that host's.
"""

import re
import xml.etree.ElementTree as ET
from typing import ClassVar, Final

import msgspec

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.formats.encoding import certificates_of
from cobalt_tasks.ingest.formats.masscan.banner import from_escapes
from cobalt_tasks.ingest.formats.nmap.services import secured
from cobalt_tasks.ingest.formats.nmap.xml_details import PROTOCOLS, host_details, port_details

_END: Final = b"</host>"
_DONE: Final = b"</runstats>"
_BEGIN: Final = re.compile(rb"<host[\s>]")
_LONGEST_WORD: Final = 128
_OF_SCAN: Final = re.compile(rb"<(nmaprun|scaninfo|finished)\s([^>]*)>")
_ATTRIBUTE: Final = re.compile(rb"(\w+)=[\"']([^\"']*)[\"']")
_FAILED: Final = re.compile(rb"<finished\s[^>]*exit=[\"'](?!success)")
_SCANNED: Final = frozenset({"tcp", "udp", "sctp"})
_CLOSED: Final = "closed"
_OPEN: Final = frozenset({"open", "up"})
_STATES: Final = _OPEN | {_CLOSED, "filtered", "unfiltered", "open|filtered", "closed|filtered", "unknown"}


class _Scan(msgspec.Struct, omit_defaults=True):
    """What is known of the scan that is being read: when it started, as it stands there, and the ports it covers."""

    start: str | None = None
    covers: dict[str, list[tuple[int, int]]] = {}


class _XmlHosts(Format):
    scanner: ClassVar[re.Pattern[bytes]]
    longest: ClassVar[int] = 16 << 20
    """A host of 65,535 open ports has about 10 MiB."""

    def __init__(self) -> None:
        """Start before a scan."""
        self._scan = _Scan()

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether `tail`, the last bytes of the input, ends the document of a scan that did not fail."""
        end = tail.rpartition(b"<runstats>")[2]
        return end.rstrip().endswith(b"</nmaprun>") and not _FAILED.search(end)

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the document's root."""
        return int(cls.scanner.search(sample) is not None)

    def split(self, data: bytes) -> int:
        """Cut after the last whole host, or after the end of the scan."""
        ends = [found + len(end) for end in (_END, _DONE) if (found := data.rfind(end)) >= 0]
        return max(ends, default=0)

    def resume(self, data: bytes) -> int:
        """Go on after the host that was too long."""
        found = data.find(_END)
        return found + len(_END) if found >= 0 else 0

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each host; what stands between them is not about hosts."""
        # One pattern for a whole host would look for the end again from every start.
        at = 0
        while (found := data.find(_END, at)) >= 0:
            end = found + len(_END)
            if begun := _BEGIN.search(data, at, end):
                self.between(data[at : begun.start()], batch)
                self._checked(data[begun.start() : end], position + begun.start(), batch)
            at = end
        cut = _BEGIN.search(data, at)
        self.between(data[at : cut.start() if cut else None], batch)
        if cut:
            batch.reject(position + cut.start(), "the host has no end", data[cut.start() :])

    def between(self, data: bytes, batch: Batch) -> None:
        """Read what stands between hosts: nothing, if the tool does not report there what was scanned.

        data: the bytes; batch: to add to.
        """

    def covered(self, host: ET.Element, address: str, when: float | None, batch: Batch) -> None:
        """Note that a host was scanned to its end, if the tool reports that.

        host: its element; address: canonical; when: epoch seconds, None if unknown; batch: to add to.
        """

    def _checked(self, block: bytes, position: int, batch: Batch) -> None:
        begun = block.rfind(b"<host ", 1)
        if begun > 0:
            # A scan was cut here, and another appended to the file.
            batch.reject(position, "the host has no end", block[:begun])
            block, position = block[begun:], position + begun
        try:
            self._host(ET.fromstring(block), position, batch)  # noqa: S314  # no DOCTYPE: no entities
        except (ET.ParseError, ValueError, LookupError) as error:
            batch.reject(position, f"no XML: {error}" if isinstance(error, ET.ParseError) else str(error), block)

    def _host(self, host: ET.Element, position: int, batch: Batch) -> None:
        addresses = [each.get("addr") for each in host.findall("address") if each.get("addrtype") != "mac"]
        address = values.address(addresses[0] if addresses else None, "address")
        # A scan of hosts without ports has its own time only.
        when = values.timestamp(host.get("endtime") or host.get("starttime") or self._scan.start)
        for each in host.findall("hostnames/hostname"):
            batch.name(address, each.get("name"), "ptr" if each.get("type") == "PTR" else self.tool, when)
        ports = [each for each in host.findall("ports/port") if each.get("protocol") != PROTOCOLS]
        self._about(host, address, when, batch, {_state(each) for each in ports})
        for port in ports:
            try:
                self._port(port, address, when, batch)
            except RefusedError as refused:
                batch.reject(position, str(refused), ET.tostring(port))
        self.covered(host, address, when, batch)

    def _about(  # what is known of the host so far
        self, host: ET.Element, address: str, when: float | None, batch: Batch, states: set[str]
    ) -> None:
        """Add the host itself: that it is up, its MAC address, its system, the output of scripts; `states` are its ports'."""
        status = host.find("status")
        if status is not None and status.get("state") != "up":
            if not states:
                batch.ignore()
            return
        # With -Pn each host counts as up; one that refused has answered.
        is_heard = status is not None and (_CLOSED in states or status.get("reason") != "user-set")
        details = host_details(host)
        batch.hardware(address, details.get("mac"), details.get("vendor"), when)
        if details or not states or (is_heard and states.isdisjoint(_OPEN)):
            batch.discover(
                Discovery(
                    address=address,
                    protocol="ip",
                    port=0,
                    observed_at=when,
                    reason=None if status is None else values.text(status.get("reason"), _LONGEST_WORD),
                    ttl=None if status is None else _ttl(status.get("reason_ttl")),
                    details=values.details(details),
                ),
            )

    def _port(self, port: ET.Element, address: str, when: float | None, batch: Batch) -> None:
        state, said = port.find("state"), _state(port)
        if said not in _STATES:
            raise RefusedError(f"state is none: {said[:32]!r}")
        protocol = values.protocol(port.get("protocol"))
        number = values.port(port.get("portid"), "portid")
        if said not in _OPEN:
            batch.ignore()
            if said == _CLOSED:
                batch.close(address, protocol, number, when)
            return
        service = port.find("service")
        name, product, version, banner = _service(service)
        batch.discover(
            Discovery(
                address=address,
                protocol=protocol,
                port=number,
                observed_at=when,
                reason=None if state is None else values.text(state.get("reason"), _LONGEST_WORD),
                ttl=None if state is None else _ttl(state.get("reason_ttl")),
                service=name,
                product=product,
                version=version,
                banner=banner,
                rank=FactRank.VERSION_SCAN if self.tool == "nmap" else FactRank.BANNER,
                details=values.details(port_details(port, service)),
            ),
        )
        for script in port.findall("script"):
            for der in certificates_of("".join(script.itertext())):
                batch.certificate(address, protocol, number, der, when)


class NmapXml(_XmlHosts):
    """Written by nmap -oX."""

    name: ClassVar = "nmap-xml"
    family: ClassVar = "nmap"
    tool: ClassVar = "nmap"
    summary: ClassVar = "-oX, with services, versions, names and certificates"
    scanner: ClassVar = re.compile(rb"<nmaprun\s[^>]*scanner=[\"']nmap[\"']")

    @property
    def state(self) -> str | None:
        """When the scan started, and which ports it covers."""
        return msgspec.json.encode(self._scan).decode() if self._scan != _Scan() else None

    @state.setter
    def state(self, text: str | None) -> None:
        self._scan = msgspec.json.decode(text, type=_Scan) if text else _Scan()

    def between(self, data: bytes, batch: Batch) -> None:
        """Read from `data` into `batch` where a scan starts, what it covers, and whether it ended well."""
        for found in _OF_SCAN.finditer(data):
            tag, attributes = found[1], dict(_ATTRIBUTE.findall(found[2]))
            if tag == b"nmaprun":
                start = attributes.get(b"start", b"").decode("ascii", "replace")
                self._scan = _Scan(start=start if values.timestamp_or_none(start) is not None else None)
                batch.begin_scan()
            elif tag == b"scaninfo":
                protocol = attributes.get(b"protocol", b"").decode("ascii", "replace")
                if protocol in _SCANNED:
                    self._scan.covers[protocol] = _ranges(attributes.get(b"services", b""))
            elif attributes.get(b"exit") == b"success":
                scan = batch.scan()
                scan.covers, scan.ended = self._scan.covers, True

    def covered(self, host: ET.Element, address: str, when: float | None, batch: Batch) -> None:
        """Note a host that was up and whose ports were all scanned.

        host: its element; address: canonical; when: epoch seconds, None if unknown; batch: to add to.
        """
        status, ports = host.find("status"), host.find("ports")
        is_up = status is None or status.get("state") == "up"
        if ports is not None and is_up and host.get("timedout") != "true":
            rest = {each.get("state") for each in ports.findall("extraports")}
            batch.cover(address, when, is_rest_closed=rest == {"closed"})


class MasscanXml(_XmlHosts):
    """Written by masscan -oX."""

    name: ClassVar = "masscan-xml"
    family: ClassVar = "masscan"
    tool: ClassVar = "masscan"
    summary: ClassVar = "-oX"
    closes_at_end: ClassVar = True
    scanner: ClassVar = re.compile(rb"<nmaprun\s[^>]*scanner=[\"']masscan[\"']")


def _state(port: ET.Element) -> str:
    state = port.find("state")
    return "open" if state is None else state.get("state", "")


def _service(service: ET.Element | None) -> tuple[str | None, str | None, str | None, bytes | None]:
    """Return name, product, version and evidence of a service; a name that only stands for the port's number is none."""
    if service is None:
        return None, None, None, None
    name = values.text(service.get("name"), _LONGEST_WORD)
    banner = service.get("banner")
    if banner is not None:
        return name or "unknown", None, None, from_escapes(banner.encode())
    if service.get("method") != "probed":
        # That it speaks TLS was found out all the same.
        return ("ssl", None, None, b"ssl") if service.get("tunnel") == "ssl" else (None, None, None, None)
    product, version, extra = (
        values.text(service.get(key), _LONGEST_WORD) for key in ("product", "version", "extrainfo")
    )
    evidence = " ".join(each for each in (product, version, f"({extra})" if extra else None) if each)
    if service.get("tunnel") == "ssl" and name:
        name = secured(name)
    return name, product, version, (evidence or name or "").encode()


def _ttl(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255 else None  # noqa: PLR2004


def _ranges(services: bytes) -> list[tuple[int, int]]:
    """Return the ports of `1-1000,8080` as ranges; none of what cannot be read."""
    found = []
    for each in services.split(b","):
        first, _, last = each.partition(b"-")
        try:
            found.append((int(first), int(last or first)))
        except ValueError:
            continue
    return found
