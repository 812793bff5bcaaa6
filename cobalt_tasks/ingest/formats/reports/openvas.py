"""OpenVAS and Greenbone: the XML report: hosts, ports, CPE; findings are not read."""

import re
import xml.etree.ElementTree as ET
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.xml_elements import XmlElements

_ROOT: Final = re.compile(rb"<(?:report|get_reports_response)[\s>]")
_SIGNS: Final = (b"<nvt oid=", b"<results", b"<report_format", b"<gmp>", b"<omp>", b"content_type=", b"<scan_start>")
_PORT: Final = re.compile(r"(?:(\d+)/(\w+)|\S+ \((\d+)/(\w+)\))$")
_DETAILS: Final = ("best_os_txt", "best_os_cpe", "OS", "App", "MAC", "hostname", "traceroute", "Auth-SSH-Success")
_SERVICES: Final = {"www": "http"}
_LONGEST: Final = 256
_MOST: Final = 64


class OpenVas(XmlElements):
    """Elements are ports, results with host and port, and hosts with what was found out about them."""

    name: ClassVar = "openvas"
    family: ClassVar = "openvas"
    tool: ClassVar = "openvas"
    summary: ClassVar = "the XML report of OpenVAS and Greenbone: hosts, ports and CPE; no findings"
    tag: ClassVar = b"result|host|port|scan_start"

    def __init__(self) -> None:
        """Start before the time of the scan."""
        self._started: float | None = None

    @property
    def state(self) -> str | None:
        """When the scan started, in epoch seconds."""
        return None if self._started is None else str(self._started)

    @state.setter
    def state(self, text: str | None) -> None:
        self._started = float(text) if text else None

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the root, and by what is in it."""
        return 1000 * (_ROOT.search(sample) is not None and any(sign in sample for sign in _SIGNS))

    def element(self, element: ET.Element, batch: Batch) -> None:
        """Read one port, one result or one host, an `element`, into `batch`."""
        if element.tag == "scan_start":
            self._started = _time(element.text)
        elif element.tag == "host":
            self._host(element, batch)
        else:
            self._port(element, batch)

    def _port(self, element: ET.Element, batch: Batch) -> None:
        host = element.find("host")
        is_result = element.tag == "result"
        # The port stands before the host, in reports of old versions behind it.
        words = (
            element.findtext("port") if is_result else (element.text or "").strip() or (host is not None and host.tail)
        )
        port = _PORT.match((words or "").strip())
        if port is None or (host is None and not is_result):
            batch.ignore()
            return
        address = (host.text or "").strip() if host is not None else ""
        when = _time(element.findtext("modification_time") or element.findtext("creation_time")) or self._started
        number, protocol = (port[1], port[2]) if port[1] else (port[3], port[4])
        batch.discover(
            Discovery(
                address=values.address(address, "host"),
                protocol=values.protocol(protocol),
                port=values.port(number, "port"),
                observed_at=when,
            )
        )
        batch.name(address, host.findtext("hostname") if host is not None else None, "ptr", when)

    def _host(self, element: ET.Element, batch: Batch) -> None:
        address = element.findtext("ip")
        if address is None:
            # A mention of a host inside another element.
            batch.ignore()
            return
        when = _time(element.findtext("end") or element.findtext("start")) or self._started
        kept: dict[str, Any] = {}
        for each in element.iterfind("detail"):
            name, value = each.findtext("name") or "", (each.findtext("value") or "").strip()
            if name in _DETAILS and value:
                kept.setdefault(name.lower(), []).append(value[:_LONGEST])
        details = values.details({name: several[:_MOST] for name, several in kept.items()})
        known = values.address(address.strip(), "ip")
        batch.discover(Discovery(address=known, protocol="ip", port=0, observed_at=when, details=details))
        for each in element.iterfind("detail"):
            if each.findtext("name") == "Services":
                _service(known, each.findtext("value") or "", when, batch)
        for mac in kept.get("mac", [])[:1]:
            batch.hardware(known, mac, None, when)
        for name in kept.get("hostname", [])[:_MOST]:
            batch.name(known, name, "ptr", when)


def _service(address: str, text: str, when: float | None, batch: Batch) -> None:
    """Add the service of `22,tcp,ssh`.

    address: the host; text: as it stands in the report; when: epoch seconds, None for the arrival; batch: what it is added to.
    """
    port, _, rest = text.partition(",")
    protocol, _, name = rest.partition(",")
    try:
        number, transport = values.port(port.strip(), "port"), values.protocol(protocol.strip() or "tcp")
    except RefusedError:
        return
    service = _SERVICES.get(name.strip(), values.text(name.strip(), _LONGEST))
    if number and service and service != "unknown":
        batch.discover(Discovery(address=address, protocol=transport, port=number, observed_at=when, service=service))


def _time(text: str | None) -> float | None:
    stripped = text.strip() if text else None
    return values.timestamp_or_none(stripped) or values.asctime(stripped or "")
