"""arp-scan and netdiscover -P: hosts of a local network with their MAC addresses."""

import re
from typing import ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import foreign
from cobalt_tasks.ingest.formats.base import KnownLineFormat

_LINE: Final = re.compile(
    r"(\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9a-fA-F]{0,4}:)[0-9a-fA-F:]{2,39})\s+((?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2})(?:\s+(.*))?"
)
_COUNTS: Final = re.compile(r"\d{1,9}\s{1,20}\d{1,9}\s{1,20}")
"""netdiscover's columns before the vendor."""

_NOISE: Final = re.compile(
    r"Interface: |Starting arp-scan|Ending arp-scan|\d+ packets? received|\d+ hosts? scanned|WARNING: |-- |[-_ ]{5,}"
    r"|\s*IP\s+At MAC|\d+ Captured|Currently scanning"
)
_DUPLICATE: Final = re.compile(r"\(DUP: \d{1,9}\)")
_LONGEST: Final = 128


class ArpScan(KnownLineFormat):
    """A host that answered is up; no port is known."""

    name: ClassVar = "arp-scan"
    family: ClassVar = "arp-scan"
    tool: ClassVar = "arp-scan"
    summary: ClassVar = "hosts with MAC address and vendor; also of netdiscover -P"

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the hosts, unless it is a table of routes: some of those lead to a MAC address."""
        return 0 if foreign.advice(sample) else super().score(sample)

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise the first line, or a host."""
        return line.startswith(b"Starting arp-scan") or _LINE.fullmatch(line.decode("utf-8", "replace")) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one host, a `line`, into `batch`; what frames the list is no record."""
        text = line.decode("utf-8", "replace")
        found = _LINE.fullmatch(text)
        if found is None:
            if not _NOISE.match(text):
                raise RefusedError("no address and MAC address")
            return
        address, mac, vendor = values.address(found[1], "address"), found[2].lower(), found[3] or ""
        before, mark, number = vendor.rpartition("(DUP: ")
        vendor = before if mark and _DUPLICATE.fullmatch(mark + number) else vendor
        counts = _COUNTS.match(vendor)
        vendor = vendor[counts.end() if counts else 0 :].strip()[:_LONGEST]
        known = vendor if vendor and not vendor.startswith("(Unknown") else None
        details = values.details({"mac": mac, **({"vendor": known} if known else {})})
        batch.discover(Discovery(address=address, protocol="arp", port=0, reason="arp-response", details=details))
        batch.hardware(address, mac, known, None)
