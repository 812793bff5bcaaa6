"""What nmap's XML has about a host and a port beside what columns of the ledger hold."""

import xml.etree.ElementTree as ET
from typing import Any, Final

from cobalt_tasks.ingest import values

_LONGEST: Final = 1024
_MOST: Final = 32
_SERVICE: Final = ("extrainfo", "ostype", "devicetype", "hostname", "servicefp", "rpcnum", "lowver", "highver", "proto")


PROTOCOLS: Final = "ip"
"""The protocol of the elements of -sO: what stands where a port is, is a protocol of IP."""


def host_details(host: ET.Element) -> dict[str, Any]:
    """Return MAC address and vendor, guesses about the system, distance, uptime, and the output of scripts."""
    found: dict[str, Any] = {}
    for each in host.findall("address"):
        if each.get("addrtype") == "mac":
            found["mac"] = each.get("addr")
            found["vendor"] = each.get("vendor")
    others = [each.get("addr") for each in host.findall("address") if each.get("addrtype") != "mac"][1:]
    found["other_addresses"] = others
    found["os"] = [_attributes(each, "name", "accuracy") for each in host.findall("os/osmatch")[:_MOST]]
    classes = host.findall("os/osmatch/osclass")[:_MOST]
    found["os_class"] = [_attributes(each, "type", "vendor", "osfamily", "osgen", "accuracy") for each in classes]
    found["cpe"] = sorted({each.text for each in host.findall("os/osmatch/osclass/cpe") if each.text})[:_MOST]
    found["route"] = [_attributes(each, "ttl", "ipaddr", "host", "rtt") for each in host.findall("trace/hop")[:_MOST]]
    spoken = host.findall(f"ports/port[@protocol='{PROTOCOLS}']/state[@state='open']/..")
    found["protocols"] = [values.protocol(each.get("portid")) for each in spoken]
    if (uptime := host.find("uptime")) is not None:
        found["last_boot"] = uptime.get("lastboot")
    if (distance := host.find("distance")) is not None:
        found["distance"] = distance.get("value")
    found["scripts"] = _scripts(host.findall("hostscript/script"))
    return {name: value for name, value in found.items() if value}


def port_details(port: ET.Element, service: ET.Element | None) -> dict[str, Any]:
    """Return the CPE, the rest about the service, and the output of scripts.

    port: the element of the port; service: that of its service, None without one.
    """
    found: dict[str, Any] = {"scripts": _scripts(port.findall("script"))}
    if service is not None:
        found["cpe"] = [each.text[:_LONGEST] for each in service.findall("cpe")[:_MOST] if each.text]
        found |= _attributes(service, *_SERVICE)
        if service.get("method") == "table":
            # A name that only stands for the number of the port.
            found["service_by_port"] = service.get("name")
    return {name: value for name, value in found.items() if value}


def _attributes(element: ET.Element, *names: str) -> dict[str, str]:
    return {name: value[:_LONGEST] for name in names if (value := element.get(name))}


def _scripts(scripts: list[ET.Element]) -> dict[str, str]:
    return {each.get("id", "")[:_LONGEST]: each.get("output", "").strip()[:_LONGEST] for each in scripts[:_MOST]}
