"""What masscan prints for people: `Discovered open port 443/tcp on 192.0.2.10`, and unicornscan's form of it (-oU)."""

import re
from typing import ClassVar, Final

from cobalt_tasks.contracts import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import LineFormat
from cobalt_tasks.ingest.formats.masscan_banner import from_escapes, is_open

_OPEN: Final = re.compile(rb"Discovered (\w+) port (\d+)/(\S+) on (\S+?)(?: .*)?", re.DOTALL)
_BANNER: Final = re.compile(rb"Banner on port (\d+)/(\S+) on (\S+): \[([^\]]*)\] ?(.*)", re.DOTALL)
_UNICORN: Final = re.compile(rb"(TCP|UDP) open\s+\S*\[ *(\d+)\]\s+from (\S+)\s+ttl (\d+)")
_LONGEST_SERVICE: Final = 64


class MasscanText(LineFormat):
    """One event a line, padded with blanks; progress on the same terminal is noise."""

    name: ClassVar = "masscan-text"
    family: ClassVar = "masscan"
    tool: ClassVar = "masscan"

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Tell a whole line."""
        return any(pattern.fullmatch(line) for pattern in (_OPEN, _BANNER, _UNICORN))

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one line."""
        read(line, batch)


def read(line: bytes, batch: Batch) -> None:
    """Take what one line says.

    Raises:
        RefusedError: it is none of masscan's.

    """
    if found := _OPEN.fullmatch(line):
        state, port, protocol, address = (part.decode("utf-8", "replace") for part in found.groups())
        if not is_open(state):
            batch.ignore()
            return
        batch.discover(_discovery(address, protocol, port))
    elif found := _BANNER.fullmatch(line):
        port, protocol, address, service = (part.decode("utf-8", "replace") for part in found.groups()[:4])
        name = values.text(service, _LONGEST_SERVICE) or "unknown"
        batch.discover(_discovery(address, protocol, port, service=name, banner=from_escapes(found[5])))
    elif found := _UNICORN.fullmatch(line):
        protocol, port, address, ttl = (part.decode("utf-8", "replace") for part in found.groups())
        batch.discover(_discovery(address, protocol, port, ttl=int(ttl[:3])))
    else:
        raise RefusedError("none of masscan's lines")


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
