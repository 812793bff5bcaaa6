"""MySQL and MariaDB: the initial handshake packet, or the error packet in its place (MySQL internals manual)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_HANDSHAKE = re.compile(rb"...\x00\x0a([\x20-\x7e]{1,100})\x00", re.DOTALL)
_REFUSAL = re.compile(
    rb"...[\x00\x01]\xff[\x00-\xff]{2}(?:#.{5})?[^\x00]{0,400}?(MySQL|MariaDB|is not allowed to connect|blocked)",
    re.DOTALL,
)
_MARIADB = re.compile(rb"(?:5\.5\.5-)?([0-9][^-]*)-MariaDB")
"""MariaDB 10 and 11 put 5.5.5- in front, for the sake of old replicas."""


def recognise(raw: bytes) -> Fingerprint | None:
    """A server that refuses this client's address still says what it is."""
    if found := _HANDSHAKE.match(raw):
        if mariadb := _MARIADB.match(found[1]):
            return Fingerprint("mysql", "MariaDB", clean(mariadb[1]))
        return Fingerprint("mysql", "MySQL", clean(found[1].split(b"-", 1)[0]))
    if found := _REFUSAL.match(raw):
        return Fingerprint("mysql", found[1].decode() if found[1] in (b"MySQL", b"MariaDB") else None)
    return None


PROTOCOL = Protocol(name="mysql", recognise=recognise, ports=(3306,), greets=True)
