"""Results of searches as tables."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cobalt_tasks.hosts.search.facets import Facets
from cobalt_tasks.views.host_tables import state
from cobalt_tasks.views.tables import Cell, Column, Output
from cobalt_tasks.views.text import ago, iso

Row = Mapping[str, Any]


def print_rows(target: str, rows: Sequence[Row], note: str) -> None:
    """Print `rows` of ports, connections or certificates (`target`), one line each, or without any the `note`."""
    columns, cells = _SHOWN[target]
    Output().listing(columns, list(map(cells, rows)), note)


def print_facets(found: Facets) -> None:
    """Print the most frequent values of each field, and how many rows match."""
    output = Output()
    least = "" if found.total.exact else "at least "
    when = "" if found.counted_at is None else f", counted {ago(max(0.0, time.time() - found.counted_at))} ago"
    output.note(f"{least}{found.total.count:,} match{when}")
    rows = [
        [name, each.value, Cell(each.count, "", f"{least}{each.count:,}")]
        for name, values in found.facets.items()
        for each in values
    ]
    output.table((Column("Field", cut=False), Column("Value"), Column("Count", cut=False, right=True)), rows)


def _port(row: Row) -> Sequence[object]:
    what = " ".join(each for each in (row["service"], row["product"], row["version"]) if each)
    return [row["address"], f"{row['port']}/{row['protocol']}", state(row), what, iso(row["last_seen"])]


def _connection(row: Row) -> Sequence[object]:
    source = row["src_ip"] if row["src_port"] is None else f"{row['src_ip']} {row['src_port']}"
    end = f"{row['dst_ip']} {row['dst_port']}/{row['protocol']}"
    return [iso(row["arrived_at"]), source, end, row["dst_hostname"], row["process"]]


def _certificate(row: Row) -> Sequence[object]:
    return [row["address"], f"{row['port']}/{row['protocol']}", row["subject"], iso(row["not_after"])]


_ADDRESS, _PORT = Column("Address", cut=False), Column("Port", cut=False)
_SHOWN: Mapping[str, tuple[Sequence[Column], Callable[[Row], Sequence[object]]]] = {
    "ports": ((_ADDRESS, _PORT, Column("State"), Column("Service"), Column("Last seen")), _port),
    "connections": (
        (Column("Arrived"), Column("From", cut=False), Column("To", cut=False), Column("Name"), Column("Process")),
        _connection,
    ),
    "certificates": ((_ADDRESS, _PORT, Column("Subject"), Column("Expires")), _certificate),
}
"""What is searched → its columns, and what makes the cells of a row."""
