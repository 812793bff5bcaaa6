"""MySQL and MariaDB: the initial handshake packet, or the error packet in its place (MySQL internals manual)."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

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


def recognise(raw: bytes) -> Fingerprint | None:
    """A server that refuses this client's address still shows what it is."""
    if found := _HANDSHAKE.match(raw):
        capabilities = raw[found.end() + _AFTER_VERSION : found.end() + _AFTER_VERSION + 1]
        offers_tls = bool(capabilities) and bool(capabilities[0] & _CLIENT_SSL)
        if _MAXSCALE.search(found[1]):
            # A proxy, which shows the version of the servers behind it.
            return Fingerprint("mysql", "MaxScale", offers_tls=offers_tls)
        if percona := _PERCONA.match(found[1]):
            return Fingerprint("mysql", "Percona Server", clean(percona[1]), offers_tls=offers_tls)
        if mariadb := _MARIADB.match(found[1]):
            return Fingerprint("mysql", "MariaDB", clean(mariadb[1]), offers_tls=offers_tls)
        return Fingerprint("mysql", "MySQL", clean(found[1].split(b"-", 1)[0]), offers_tls=offers_tls)
    if found := _REFUSAL.match(raw):
        return Fingerprint("mysql", found[1].decode() if found[1] in (b"MySQL", b"MariaDB") else None)
    return None


def starttls(_: Target) -> Steps[bool]:
    """Send SSLRequest, which is not answered: the handshake of TLS follows at once (Client/Server Protocol)."""
    yield Send(_SSL_REQUEST, wait=0)
    return True


PROTOCOL = Protocol(name="mysql", recognise=recognise, ports=(3306, 33060), greets=True, starttls=starttls)
