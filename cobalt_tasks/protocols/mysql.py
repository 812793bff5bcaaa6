"""MySQL and MariaDB: the initial handshake packet, or the error packet in its place (MySQL internals manual)."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean, first_product

_HANDSHAKE = re.compile(rb"...\x00\x0a([\x20-\x7e]{1,100})\x00", re.DOTALL)
_REFUSAL = re.compile(
    rb"...[\x00\x01]\xff[\x00-\xff]{2}(?:#.{5})?[^\x00]{0,400}?(MySQL|MariaDB|is not allowed to connect|blocked)",
    re.DOTALL,
)
_MAXSCALE = re.compile(rb"-maxscale\b", re.IGNORECASE)
_PERCONA = re.compile(rb"([0-9]\.[0-9]{1,2}\.[0-9]{1,3}-[0-9]{2}(?:\.[0-9]{1,2})?)(?:-|\Z)")
"""Percona adds its own number to MySQL's; packages of MySQL add a word behind theirs."""

_SSL_REQUEST = bytes.fromhex("20000001 00aa0800 00000001 21") + bytes(23)
"""Capabilities with CLIENT_SSL, longest packet, character set."""

_CLIENT_SSL = 0x08
_AFTER_VERSION = 14
"""Bytes between the version and the second byte of the capabilities: thread, salt, filler, first byte."""

_MARIADB = re.compile(rb"(?:5\.5\.5-)?([0-9][^-]*)-MariaDB")
"""MariaDB 10 and 11 put 5.5.5- in front, for the sake of old replicas."""

_OTHERS = (
    ("Sphinx", re.compile(rb"^([0-9][\d.]{0,20})-(?:id64-)?(?:release|dev|beta) \([0-9a-f]{6,12}\)$")),
    ("Manticore Search", re.compile(rb"^([0-9][\d.]{0,20}) [0-9a-f]{6,12}@[0-9]{6}\b")),
    ("TiDB", re.compile(rb"-TiDB-v?([0-9][\w.]{0,20})")),
    ("OceanBase", re.compile(rb"-OceanBase(?:_CE)?-v?([0-9][\w.]{0,20})")),
    ("ClickHouse", re.compile(rb"^([0-9][\d.]{0,20})-ClickHouse\b")),
    ("Apache ShardingSphere-Proxy", re.compile(rb"-ShardingSphere-Proxy ([0-9][\w.]{0,20})")),
    ("Mycat", re.compile(rb"-mycat-([0-9][\d.]{0,20})")),
    ("Vitess", re.compile(rb"-Vitess\b()")),
)
"""Servers that speak MySQL's protocol, by what they put into the version; most have MySQL's number in front of their own."""


def recognise(raw: bytes) -> Fingerprint | None:
    """A server that refuses this client's address still shows what it is."""
    if found := _HANDSHAKE.match(raw):
        capabilities = raw[found.end() + _AFTER_VERSION : found.end() + _AFTER_VERSION + 1]
        product, version = _program(found[1])
        offers_tls = bool(capabilities) and bool(capabilities[0] & _CLIENT_SSL)
        return Fingerprint("mysql", product, version, offers_tls=offers_tls)
    if found := _REFUSAL.match(raw):
        return Fingerprint("mysql", found[1].decode() if found[1] in (b"MySQL", b"MariaDB") else None)
    return None


def _program(shown: bytes) -> tuple[str | None, str | None]:
    """Return the program that shows a version, and its own version. shown: what the handshake has."""
    if _MAXSCALE.search(shown):
        # A proxy, which shows the version of the servers behind it.
        return "MaxScale", None
    for name, pattern in (("Percona Server", _PERCONA), ("MariaDB", _MARIADB)):
        if found := pattern.match(shown):
            return name, clean(found[1])
    product, version = first_product(shown, _OTHERS)
    if product or not shown[:1].isdigit():
        # A version without a number is no MySQL's.
        return product, version
    return "MySQL", clean(shown.split(b"-", 1)[0])


def starttls(_: Target) -> Steps[bool]:
    """Send SSLRequest, which is not answered: the handshake of TLS follows at once (Client/Server Protocol)."""
    yield Send(_SSL_REQUEST, wait=0)
    return True


PROTOCOL = Protocol(name="mysql", recognise=recognise, ports=(3306, 33060), greets=True, starttls=starttls)
