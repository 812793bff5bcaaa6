"""The addresses and ports of the lab's services: one table, the only place that has them."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct


class Endpoint(Struct, frozen=True):
    """One service of the lab. The kinds are those of services.py, and `silent`, `refusing` and `dns`."""

    kind: str
    address: str
    port: int


ENDPOINTS: Final = (
    Endpoint("openssh", "127.77.0.10", 22022),
    Endpoint("dropbear", "127.77.0.11", 22023),
    Endpoint("ftp", "127.77.0.12", 21021),
    Endpoint("smtp", "127.77.0.13", 25025),
    Endpoint("pop3", "127.77.0.13", 21110),
    Endpoint("imap", "127.77.0.13", 21143),
    Endpoint("mysql", "127.77.0.14", 23306),
    Endpoint("http", "127.77.0.15", 28080),
    Endpoint("https", "127.77.0.15", 28443),
    Endpoint("redirect", "127.77.0.16", 28081),
    Endpoint("silent", "127.77.0.17", 27777),
    Endpoint("refusing", "127.77.0.18", 27778),
    Endpoint("dns", "127.77.0.53", 25353),
)

DOMAIN: Final = "lab.example"

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "127.77.0.10": ("bastion.lab.example",),
    "127.77.0.11": ("router.lab.example",),
    "127.77.0.12": ("files.lab.example",),
    "127.77.0.13": ("mail.lab.example",),
    "127.77.0.14": ("db.lab.example",),
    "127.77.0.15": ("shop.lab.example", "www.lab.example"),
    "127.77.0.16": ("old.lab.example",),
    "127.77.0.17": ("liar.lab.example",),
    "127.77.0.53": ("ns.lab.example",),
}
"""The PTR names of the lab; 127.77.0.18 has none."""

ADDRESSES: Final = {name: address for address, names in NAMES.items() for name in names} | {
    # Its PTR name does not lead back: the owner of an address can claim any name for it.
    "liar.lab.example": "127.77.0.99",
}

CERTIFICATE_NAMES: Final = ("www.lab.example", "shop.lab.example", "lab.example", "*.api.lab.example")


def resolver_of(endpoints: Iterable[Endpoint]) -> str:
    """Return the lab's DNS server as ADDRESS:PORT. It refuses questions about anything but the lab."""
    return next(f"{endpoint.address}:{endpoint.port}" for endpoint in endpoints if endpoint.kind == "dns")


RESOLVER: Final = resolver_of(ENDPOINTS)
