"""memcached: the answer to `version` (protocol.txt)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_VERSION = re.compile(rb"VERSION ([0-9][\w.-]{0,40})\r\n")

_FRAME = bytes.fromhex("c0ba000000010000")
"""In front of each datagram: a number, the first of one, reserved (protocol.txt, UDP protocol)."""


def recognise(raw: bytes) -> Fingerprint | None:
    """Only its version distinguishes it from others that answer ERROR."""
    found = _VERSION.match(raw.removeprefix(_FRAME))
    return Fingerprint("memcached", "memcached", clean(found[1])) if found else None


PROTOCOL = Protocol(
    name="memcached",
    recognise=recognise,
    ports=(11211,),
    udp_ports=(11211,),
    words=lambda _: b"version\r\n",
    udp_words=lambda _: _FRAME + b"version\r\n",
    is_complete=lambda raw: raw.endswith(b"\r\n"),
    likelihood=17,
    udp_likelihood=5,
    rejects_http=True,
)
