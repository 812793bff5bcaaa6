"""lsof -i: one open socket a line, with its process; without -i, other files between them."""

import re
from typing import ClassVar, Final

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.sockets.table import SocketTable

_LINE: Final = re.compile(
    r"(\S+)\s+(\d+)\s+(?:\d+\s+)?(\S+)\s+\S+\s+IPv[46]\s+\S+\s+(?:\S+\s+)?(TCP|UDP)\s+(\S+?)(?:->(\S+))?(?:\s+\((\S+)\))?"
)


_OTHER_FILE: Final = re.compile(rb"(?!.* IPv[46] )\S+\s+\d+\s|lsof: |\s*Output information may be incomplete").match
"""Matches the other open files of processes, which lsof lists without -i."""

_SCOPE: Final = re.compile(r"\[fe80:[0-9a-f]{1,4}::", re.IGNORECASE)
"""How BSD and macOS keep the interface in a link-local address."""


class Lsof(SocketTable):
    """Use -nP, so that addresses and ports are numbers."""

    name: ClassVar = "lsof"
    family: ClassVar = "lsof"
    tool: ClassVar = "lsof"
    summary: ClassVar = "-i -nP"
    is_traffic: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise the header, or a socket."""
        return line.startswith(b"COMMAND ") or _LINE.fullmatch(line.decode("utf-8", "replace")) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one socket, a `line`, into `batch`."""
        if line.startswith(b"COMMAND "):
            return
        found = _LINE.fullmatch(line.decode("utf-8", "replace"))
        if found is None and _OTHER_FILE(line):
            batch.ignore()
            return
        if found is None:
            raise RefusedError("no line of lsof -i")
        process, number, user, protocol, local, peer, state = found.groups()
        here = _SCOPE.sub("[fe80::", local).rpartition(":")
        if peer is None:
            self.listen(protocol.lower(), here[2])
            batch.ignore()
            return
        there = _SCOPE.sub("[fe80::", peer).rpartition(":")
        self.connect(
            batch,
            protocol=protocol.lower(),
            local=(here[0], here[2]),
            peer=(there[0], there[2]),
            process=process.replace("\\x20", " "),
            details={"pid": int(number[:9]), "user": user[:64], **({"state": state} if state else {})},
        )
