"""dhcpd.leases of ISC's dhcpd, for IPv4 and IPv6."""

import re
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import seen_hosts
from cobalt_tasks.ingest.formats.base import BLANK, Format

_START: Final = re.compile(rb'(?:lease [0-9a-fA-F.:]+|ia-[a-z]{2} "(?:[^"\\]|\\.)*") \{')
_ADDRESS: Final = re.compile(r"(?:^lease|\biaaddr)\s+(\S+)\s+\{")
_MAC: Final = re.compile(r"\bhardware\s+ethernet\s+([0-9a-fA-F:]+);")
_NAME: Final = re.compile(
    r'\b(?:client-hostname|set\s+(?:ddns-fwd-name|ddns-hostname|client-hostname)\s*=)\s+"([^"]*)";'
)
_STATE: Final = re.compile(r"^\s*binding state (\w+);", re.MULTILINE)
_CLASS: Final = re.compile(r'\bset\s+vendor-class-identifier\s*=\s+"([^"]*)";')
_TIME: Final = re.compile(
    r"^\s*(starts|ends|cltt)\s+(?:\d\s+([\d/]{8,10}\s+[\d:]{8})|epoch\s+(\d{1,12}))[^;\n]*;", re.MULTILINE
)
_ABANDONED: Final = "abandoned"


class IscLeases(Format):
    """One record an address, as of the last word of its client; what the server wrote about itself is none."""

    name: ClassVar = "dhcpd-leases"
    family: ClassVar = "dhcp"
    tool: ClassVar = "dhcpd"
    summary: ClassVar = "dhcpd.leases of ISC's server: addresses, MAC addresses and names"
    is_traffic: ClassVar = True

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the starts of leases."""
        return sum(1 for line in sample.split(b"\n") if _START.match(line))

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether the last lease has its end."""
        return tail.rstrip(BLANK).endswith(b"}")

    def split(self, data: bytes) -> int:
        """Cut behind the last line that ends a lease."""
        end = data.rfind(b"\n}")
        return data.find(b"\n", end + 1) + 1 if end >= 0 else 0

    def resume(self, data: bytes) -> int:
        """Go on at the next lease."""
        return data.find(b"\nlease ") + 1

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each lease of `data`, which starts at byte `position`, into `batch`."""
        held: list[bytes] = []
        start = at = position
        for line in data.split(b"\n"):
            if _START.match(line):
                self._close(held, start, batch)
                held, start = [line], at
            elif held:
                held.append(line)
                if line.startswith(b"}"):
                    self._read(b"\n".join(held), start, batch)
                    held = []
            at += len(line) + 1
        self._close(held, start, batch)

    @staticmethod
    def _close(held: list[bytes], start: int, batch: Batch) -> None:
        if held:
            batch.reject(start, "the lease has no end", b"\n".join(held))

    @staticmethod
    def _read(block: bytes, start: int, batch: Batch) -> None:
        try:
            _add(block.decode("utf-8", "replace").replace("\r", ""), batch)
        except RefusedError as refused:
            batch.reject(start, str(refused), block)


def _add(block: str, batch: Batch) -> None:
    """Add the hosts of one block, which may have several addresses (IPv6), or none.

    block: its text; batch: what they are added to.
    """
    starts = list(_ADDRESS.finditer(block))
    if not starts:
        batch.ignore()
        return
    # What stands before the first address of IPv6 is about all of them.
    ends = [*(each.start() for each in starts[1:]), len(block)]
    texts = [block[: starts[0].start()] + block[each.start() : end] for each, end in zip(starts, ends, strict=True)]
    addresses = [values.address(each[1], "address") for each in starts]
    for address, text in zip(addresses, texts, strict=True):
        _host(address, text, batch)


def _host(address: str, text: str, batch: Batch) -> None:
    state = _first(_STATE, text)
    mac, name = _first(_MAC, text), _first(_NAME, text)
    if state == _ABANDONED or (mac is None and name is None and ":" not in address):
        # An address without a client.
        batch.ignore()
        return
    times = {kind: _seconds(date, epoch) for kind, date, epoch in _TIME.findall(text)}
    when = times.get("cltt") or times.get("starts")
    kept: dict[str, Any] = {"state": state, "ends": times.get("ends"), "vendor_class": _first(_CLASS, text)}
    seen_hosts.add(batch, address, when=when, mac=mac, details={**kept, "host_name": name})
    for each in _NAME.findall(text):
        batch.name(address, each, "dhcp", when)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _seconds(date: str, epoch: str) -> float | None:
    """Return epoch seconds: of a date in UTC, or as they stand there. None for what is no time."""
    if epoch:
        return values.timestamp_or_none(epoch)
    try:
        seconds = datetime.strptime(" ".join(date.split()), "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return values.timestamp_or_none(seconds)
