"""masscan -oL: `open tcp 443 192.0.2.10 1760000000` and `banner tcp 22 192.0.2.10 1760000003 ssh SSH-2.0-…`."""

import re
from typing import ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.masscan import lines as masscan_lines
from cobalt_tasks.ingest.formats.masscan.banner import from_escapes, is_open

_LONGEST_SERVICE: Final = 64
_LINE: Final = re.compile(rb"(open|closed|up|unknown|banner) (\S+) (\d+) (\S+) (\d+)(?: (\S+)(?: (.*))?)?", re.DOTALL)


class MasscanList(KnownLineFormat):
    """One event a line, fields between blanks."""

    name: ClassVar = "masscan-list"
    family: ClassVar = "masscan"
    tool: ClassVar = "masscan"
    summary: ClassVar = "-oL"
    closes_at_end: ClassVar = True

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether `tail`, the last bytes of the input, has masscan's last line."""
        return tail.rstrip().endswith(b"\n# end")

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise the header, or a line that is whole."""
        return line == b"#masscan" or _LINE.fullmatch(line) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one `line` into `batch`."""
        if line.startswith(b"#"):
            return
        found = _LINE.fullmatch(line)
        if found is None:
            # unicornscan's form starts like this one.
            masscan_lines.read(masscan_lines.shown(line), batch)
            return
        state, protocol, port, address, when, service, banner = found.groups()
        if state != b"banner" and not is_open(state.decode()):
            batch.ignore()
            if state == b"closed":
                batch.close(*masscan_lines.target(address, protocol, port), values.timestamp(when.decode()))
            return
        has_banner = state == b"banner"
        batch.discover(
            Discovery(
                address=values.address(address.decode("ascii", "replace"), "address"),
                protocol=values.protocol(protocol.decode("ascii", "replace")),
                port=values.port(port.decode(), "port"),
                observed_at=values.timestamp(when.decode()),
                service=_word(service or b"unknown") if has_banner else None,
                banner=from_escapes(banner or b"") if has_banner else None,
            ),
        )


def _word(service: bytes) -> str | None:
    return values.text(service.decode("utf-8", "replace"), _LONGEST_SERVICE)
