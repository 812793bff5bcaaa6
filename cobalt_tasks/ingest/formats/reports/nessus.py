"""Nessus: the .nessus file (NessusClientData_v2): hosts, ports and services; findings are not read."""

import re
import xml.etree.ElementTree as ET
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.encoding import certificate_of
from cobalt_tasks.ingest.formats.nmap.services import secured
from cobalt_tasks.ingest.formats.xml_elements import XmlElements

_SERVICES: Final = {"www": "http", "unknown": None, "general": None}
_KEPT: Final = (
    "operating-system",
    "system-type",
    "mac-address",
    "netbios-name",
    "os",
    "HOST_START",
    "Credentialed_Scan",
)
_ROOT: Final = re.compile(rb"<NessusClientData_v2|<ReportHost\s")
_SSH: Final = re.compile(r"SSH version : (SSH-[\x21-\x7e]{1,200})")
_HTTP: Final = re.compile(r"remote web server type is :\s{0,8}(\S[^\r\n]{0,200})")
_TLS: Final = re.compile(r"\bA (?:TLS|SSL)v[\d.]+ server answered")
_LONGEST: Final = 256
_MOST: Final = 64


class Nessus(XmlElements):
    """One element a host; each port of it once, with the service Nessus names."""

    name: ClassVar = "nessus"
    family: ClassVar = "nessus"
    tool: ClassVar = "nessus"
    summary: ClassVar = ".nessus: hosts, ports, services and CPE; no findings"
    tag: ClassVar = b"ReportHost"

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the root."""
        return 1000 * (_ROOT.search(sample) is not None)

    def element(self, element: ET.Element, batch: Batch) -> None:
        """Read one host, an `element`, into `batch`."""
        about = {each.get("name", ""): (each.text or "").strip() for each in element.iterfind("HostProperties/tag")}
        named = about.get("host-ip") or element.get("name")
        address = values.address(named, "host-ip")
        when = _time(about)
        ports: dict[tuple[int, str], list[ET.Element]] = {}
        for item in element.iterfind("ReportItem"):
            key = values.port(item.get("port"), "port"), values.protocol(item.get("protocol") or "tcp")
            if key[0]:
                ports.setdefault(key, []).append(item)
        cpe = [value.partition(" -> ")[0] for name, value in about.items() if name.startswith("cpe")][:_MOST]
        kept: dict[str, Any] = {name: about[name][:_LONGEST] for name in _KEPT if about.get(name)}
        details = values.details({**kept, **({"cpe": cpe} if cpe else {})})
        batch.discover(Discovery(address=address, protocol="ip", port=0, observed_at=when, details=details))
        for (port, protocol), items in ports.items():
            self._port(address, port, protocol, when, items, batch)
        for name in ("host-fqdn", "host-rdns"):
            batch.name(address, about.get(name), "ptr", when)
        # What the user named, where that is no address.
        batch.name(address, element.get("name"), self.tool, when)
        for mac in about.get("mac-address", "").split()[:1]:
            batch.hardware(address, mac, None, when)

    def _port(  # noqa: PLR0913, PLR0917  # what a port consists of
        self, address: str, port: int, protocol: str, when: float | None, items: list[ET.Element], batch: Batch
    ) -> None:
        names = [each.get("svc_name", "").rstrip("?") for each in items]
        name = next((each for each in names if each and each not in {"unknown", "general"}), None)
        is_guess = all(each.get("svc_name", "?").endswith("?") for each in items)
        cpe = sorted({text for each in items for text in (each.findtext("cpe") or "").split()})[:_MOST]
        service = None if is_guess else _SERVICES.get(name or "unknown", name)
        outputs = [text for each in items if (text := each.findtext("plugin_output"))]
        if service is not None and any(map(_TLS.search, outputs)):
            service = secured(service)
        batch.discover(
            Discovery(
                address=address,
                protocol=protocol,
                port=port,
                observed_at=when,
                service=service,
                banner=banner_of(outputs) if service else None,
                details=values.details(
                    {
                        **({"cpe": cpe} if cpe else {}),
                        **({"service_by_port": name} if is_guess and name else {}),
                    }
                ),
            )
        )
        for each in items:
            if der := certificate_of(each.findtext("plugin_output")):
                batch.certificate(address, protocol, port, der, when)


def banner_of(outputs: list[str]) -> bytes | None:
    """Return the words of the server in the output of the plugins that show them; None without any."""
    for text in outputs:
        if found := _SSH.search(text):
            return found[1].encode()
        if found := _HTTP.search(text):
            return f"HTTP/1.1 200\r\nServer: {found[1].strip()}\r\n\r\n".encode("utf-8", "replace")
    return None


def _time(about: dict[str, str]) -> float | None:
    """Return when the scan of a host ended, from its properties: versions before 6 write local times alone."""
    for bound in ("HOST_END", "HOST_START"):
        when = values.timestamp_or_none(about.get(f"{bound}_TIMESTAMP") or None)
        if when is None:
            when = values.asctime(about.get(bound, ""))
        if when is not None:
            return when
    return None
