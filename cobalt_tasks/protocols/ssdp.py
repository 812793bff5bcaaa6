"""SSDP: a search for root devices, to one host (UPnP Device Architecture 1.1, 1.3.2)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import product_of, system_of

_ANSWER: Final = re.compile(rb"HTTP/1\.[01] 200 |NOTIFY \* HTTP/1\.1\r\n")
_MARK: Final = re.compile(rb"^USN:[ \t]*(?:uuid:|urn:)", re.IGNORECASE | re.MULTILINE)
_SERVER: Final = re.compile(rb"^SERVER:[ \t]*([^\r\n]{1,300})", re.IGNORECASE | re.MULTILINE)
_LOCATION: Final = re.compile(rb"^LOCATION:[ \t]*([!-~]{1,300})", re.IGNORECASE | re.MULTILINE)


def search(target: Target) -> bytes:
    """Return the search; MX is how many seconds a device may take to answer."""
    host = f"[{target.address}]" if ":" in target.address else target.address
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"HOST: {host}:{target.port}",
        'MAN: "ssdp:discover"',
        "MX: 1",
        "ST: upnp:rootdevice",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def recognise(raw: bytes) -> Fingerprint | None:
    """An answer or announcement: an HTTP head with a USN. The program is what SERVER names beside system and UPnP."""
    if not _ANSWER.match(raw) or not _MARK.search(raw):
        return None
    server, location = _SERVER.search(raw), _LOCATION.search(raw)
    product, version, system = _program(server[1]) if server else (None, None, None)
    extras = {"server": clean(server[1]) if server else None, "location": clean(location[1]) if location else None}
    shown = {name: value for name, value in extras.items() if value}
    return Fingerprint("ssdp", product, version, info=shown.get("server"), os=system, extras=shown)


def _program(server: bytes) -> tuple[str | None, str | None, str | None]:
    """Return product, version and system of `OS/version UPnP/version product/version`; the first is always the system."""
    before, upnp, after = server.partition(b"UPnP/")
    rest = after.partition(b" ")[2] if upnp and before.strip() else server
    return *product_of(rest), system_of(before if upnp else server)


PROTOCOL = Protocol(name="ssdp", recognise=recognise, udp_ports=(1900,), udp_words=search, aliases=("upnp",))
