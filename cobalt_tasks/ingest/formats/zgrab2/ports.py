"""Where each module of zgrab2 goes unless the user names another port: older output has no port at all."""

from typing import Final

from cobalt_tasks.protocols import registry

_OTHERS: Final = {
    "amqp091": 5672,
    "bacnet": 47808,
    "banner": 80,
    "dnp3": 20000,
    "fox": 1911,
    "ipp": 631,
    "jarm": 443,
    "managesieve": 4190,
    "memcached": 11211,
    "modbus": 502,
    "mongodb": 27017,
    "mqtt": 1883,
    "mssql": 1433,
    "ntp": 123,
    "oracle": 1521,
    "pptp": 1723,
    "siemens": 102,
    "smb": 445,
    "socks5": 1080,
}
"""Modules whose protocol is not in the registry, or has another name there."""

UDP: Final = frozenset({"ntp", "bacnet"})


def default_port(module: str) -> int | None:
    """Return the port a module goes to; None for one that is not known."""
    return _OTHERS.get(module) or registry.default_port(module)
