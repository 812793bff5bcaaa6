"""RustScan: its own lines, and nmap's output behind them."""

import re
from typing import ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.base import BLANK
from cobalt_tasks.ingest.formats.nmap.normal import HEADER, Host, NmapNormal

_OPEN: Final = re.compile(r"(?:\x1b\[[\d;]*m)*Open (?:\x1b\[[\d;]*m)*(\S+?):(\d+)(?:\x1b\[[\d;]*m)*")
_LIST: Final = re.compile(r"(\S+) -> \[([\d, ]+)\]")


class Rustscan(NmapNormal):
    """`Open 192.0.2.1:22`, or `192.0.2.1 -> [22,80]` of -g."""

    name: ClassVar = "rustscan"
    family: ClassVar = "rustscan"
    tool: ClassVar = "rustscan"
    summary: ClassVar = "what it prints with the output of nmap, and -g"

    def __init__(self) -> None:
        """Start without a port."""
        super().__init__()
        self._open: list[tuple[str, int]] = []
        self._hosts: set[str] = set()

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the lines that only RustScan prints; nmap's behind them count too."""
        texts = [line.strip(BLANK).decode("utf-8", "replace") for line in sample.split(b"\n")]
        own = sum(1 for text in texts if _OPEN.fullmatch(text) or _LIST.fullmatch(text))
        return own and own * 10 + super().score(sample) + 1

    def split(self, data: bytes) -> int:
        """Cut where nmap's output would be cut, or behind the last line of RustScan's own."""
        if b"Nmap scan report for " in data:
            return super().split(data)
        return data.rfind(b"\n") + 1

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read the lines of `data`, which starts at byte `position`, into `batch`."""
        super().parse(data, position, batch)
        self._flush_open(batch)

    def _line(self, text: str, batch: Batch) -> None:
        text = text.removeprefix("[~] ")
        if found := _OPEN.fullmatch(text):
            pairs = [(found[1], found[2])]
        elif listed := _LIST.fullmatch(text):
            pairs = [(listed[1], port.strip()) for port in listed[2].split(",") if port.strip()]
        else:
            if self._host is None and HEADER.match(text) and len(self._hosts) == 1:
                # nmap's lines about the host were left out.
                self._host = Host(next(iter(self._hosts)), self._scan.when)
            super()._line(text, batch)
            if self._scan.when is not None:
                self._flush_open(batch)
            return
        self._open += [(values.address(host, "address"), values.port(port, "port")) for host, port in pairs]
        self._hosts = {host for host, _ in self._open}

    def _flush_open(self, batch: Batch) -> None:
        """Add the ports of RustScan's own lines: they have no time, the line of nmap that follows them has."""
        for address, port in self._open:
            batch.discover(Discovery(address=address, protocol="tcp", port=port, observed_at=self._scan.when))
        self._open.clear()
