"""argus: what `ra -c ,` prints, with its header."""

import re
from typing import ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.csv_table import CsvTable
from cobalt_tasks.ingest.formats.flows import table

_COLUMNS: Final = {"source": "saddr", "target": "daddr"}
_ENDS: Final = frozenset({"saddr", "daddr"})
_ALIASES: Final = {"srcaddr": "saddr", "dstaddr": "daddr", "starttime": "stime"}
_OWN: Final = frozenset({"proto", "dir", "state", "stime", "flgs", "starttime", "srcid"})
_REQUESTED: Final = "REQ"
_NO_IP: Final = frozenset({"arp", "rarp", "man", "llc"})
_is_mac: Final = re.compile(r"(?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2}").fullmatch
_DATE: Final = re.compile(r"(\d{2}|\d{4})[/-](\d\d)[/-](\d\d)[+ T.]")
_ZMAP: Final = frozenset({"classification", "success", "repeat", "cooldown", "timestamp_ts", "timestamp_str"})


class ArgusCsv(CsvTable):
    """Flows of both directions: the source spoke first, unless the arrow points back or is not known."""

    name: ClassVar = "argus-csv"
    family: ClassVar = "argus"
    tool: ClassVar = "argus"
    summary: ClassVar = "ra -c ,"
    is_traffic: ClassVar = True
    separators: ClassVar = ",\t;|"

    @classmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether these are argus's columns."""
        named = {_ALIASES.get(each, each) for each in columns}
        return named >= _ENDS and not _OWN.isdisjoint(named) and _ZMAP.isdisjoint(named) and "firstseen" not in named

    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one flow, a `record`, into `batch`."""
        flow = {_ALIASES.get(name, name): value for name, value in record.items()}
        direction = flow.get("dir", "->").strip()
        protocol = flow.get("proto", "ip")
        if protocol in _NO_IP or _is_mac(flow.get("saddr", "")):
            batch.ignore()
            return
        columns = {**_COLUMNS, "source_port": "sport", "target_port": "dport", "protocol": "proto", "start": "stime"}
        start = flow.get("stime")
        # Of a connection that was asked for and not answered, and of the flags of both ends (`S_RA`), the source's come first.
        asked, both, _ = flow.get("state", "").partition("_")
        is_opened = asked == _REQUESTED or (bool(both) and table.is_opened(asked))
        table.add(
            batch,
            {**flow, "proto": protocol},
            columns,
            start=values.timestamp(_iso(start)) if start and _is_time(start) else None,
            is_directed=is_opened or "?" not in direction or "sport" not in flow,
            is_back=not is_opened and direction.startswith("<") and ">" not in direction,
        )


def _iso(text: str) -> str:
    """Return a start as ISO 8601 has it: the date may have slashes or a year of two digits, and a `+` behind it."""
    if found := _DATE.match(text):
        century = "20" if len(found[1]) == 2 else ""  # noqa: PLR2004  # %y
        return f"{century}{found[1]}-{found[2]}-{found[3]} {text[found.end() :]}"
    return text


def _is_time(text: str) -> bool:
    """Return whether a start is a whole time: ra's default has no date."""
    return text.replace(".", "", 1).isdigit() or "-" in text or "/" in text
