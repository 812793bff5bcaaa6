"""The input format `portlist`: a line `open ADDRESS PORT` for each open TCP port."""

from typing import ClassVar

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import KnownLineFormat

_WORDS = 3


class PortList(KnownLineFormat):
    """A scan's report; workers probe what it names."""

    name: ClassVar = "portlist"
    family: ClassVar = "portlist"
    tool: ClassVar = "portlist"
    summary: ClassVar = "open ports, one a line"

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Return whether a line is surely of this format."""
        return line.startswith(b"open ") and len(line.split()) == _WORDS

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one line: `line`, without blanks at its ends, into `batch`.

        Raises:
            RefusedError: it is not of this format.

        """
        if not self.recognises(line):
            raise RefusedError("not a line of portlist")
        _, address, port = line.decode("ascii", "replace").split()
        address, number = values.address(address, "address"), values.port(port, "port")
        batch.discover(Discovery(address=address, protocol="tcp", port=number))
