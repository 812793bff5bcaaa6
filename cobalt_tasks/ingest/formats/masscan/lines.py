"""The lines masscan prints for people: `Discovered open port 443/tcp on 192.0.2.10`, and unicornscan's form (-oU).

One home for all of masscan's formats, since they mix: --interactive puts such lines between any others, and -oU has the
grepable form for what is not TCP.
"""

import re
from typing import Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import BLANK
from cobalt_tasks.ingest.formats.masscan.banner import from_escapes, is_open
from cobalt_tasks.ingest.formats.nmap.grepable import MasscanGrepable

_OPEN: Final = re.compile(rb"Discovered (\w+) port (\d+)/(\S+) on (\S+?)(?: .*)?", re.DOTALL)
_BANNER: Final = re.compile(rb"Banner on port (\d+)/(\S+) on (\S+): \[([^\]]*)\] ?(.*)", re.DOTALL)
_UNICORN: Final = re.compile(rb"(TCP|UDP) (\w+)\s+\S*\[ *(\d+)\]\s+from (\S+)\s+ttl (\d+)")
_PROGRESS: Final = re.compile(rb"rate: |Starting masscan |Initiating |Scanning \d+ hosts ")
_LONGEST_SERVICE: Final = 64


def shown(line: bytes) -> bytes:
    """Return what a terminal shows of a line: what comes after the last carriage return. Progress ends in one."""
    return line.strip(BLANK).rpartition(b"\r")[2].strip(BLANK)


def recognises(line: bytes) -> bool:
    """Recognise a whole line that reports a port or a banner."""
    return any(pattern.fullmatch(shown(line)) for pattern in (_OPEN, _BANNER, _UNICORN))


def read(line: bytes, batch: Batch) -> None:
    """Read one `line`, as it is shown, into `batch`; progress is ignored.

    Raises:
        RefusedError: it is none of masscan's.

    """
    if found := _OPEN.fullmatch(line):
        state, port, protocol, address = (part.decode("utf-8", "replace") for part in found.groups())
        if not is_open(state):
            batch.ignore()
            if state == "closed":
                batch.close(*target(found[4], found[3], found[2]), None)
            return
        batch.discover(_discovery(address, protocol, port))
    elif found := _BANNER.fullmatch(line):
        port, protocol, address, service = (part.decode("utf-8", "replace") for part in found.groups()[:4])
        name = values.text(service, _LONGEST_SERVICE) or "unknown"
        batch.discover(_discovery(address, protocol, port, service=name, banner=from_escapes(found[5])))
    elif found := _UNICORN.fullmatch(line):
        protocol, state, port, address, ttl = (part.decode("utf-8", "replace") for part in found.groups())
        if not is_open(state):
            batch.ignore()
            return
        batch.discover(_discovery(address, protocol, port, ttl=int(ttl[:3])))
    elif line.startswith(b"Host: "):
        MasscanGrepable().line(line, batch)
    elif _PROGRESS.match(line):
        batch.ignore()
    else:
        raise RefusedError("none of masscan's lines")


def target(address: bytes, protocol: bytes, port: bytes) -> tuple[str, str, int]:
    """Return the canonical parts of a port: `address`, `protocol`, `port`.

    Raises:
        RefusedError: one of them is none.

    """
    found, name, number = (each.decode("utf-8", "replace") for each in (address, protocol, port))
    return values.address(found, "address"), values.protocol(name), values.port(number, "port")


def _discovery(  # noqa: PLR0913  # the parts of a line
    address: str,
    protocol: str,
    port: str,
    *,
    service: str | None = None,
    banner: bytes | None = None,
    ttl: int | None = None,
) -> Discovery:
    return Discovery(
        address=values.address(address, "address"),
        protocol=values.protocol(protocol),
        port=values.port(port, "port"),
        service=service,
        banner=banner,
        ttl=ttl,
    )
