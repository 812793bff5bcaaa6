"""Results of searches as tables for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cobalt_tasks.hosts.search.facets import Facets
from cobalt_tasks.views.tables import console, table, text
from cobalt_tasks.views.text import iso

Row = Mapping[str, Any]


def print_rows(target: str, rows: Sequence[Row]) -> None:
    """Print `rows` of ports, connections or certificates (`target`), one line each."""
    if not rows:
        console().print(f"No {target.removesuffix('s')} matches.")
        return
    columns, cells = _SHOWN[target]
    shown = table(*((name, "left") for name in columns))
    for row in rows:
        shown.add_row(*(text(cell) for cell in cells(row)))
    console().print(shown)


def print_facets(found: Facets) -> None:
    """Print the most frequent values of each field, and how many rows match."""
    least = "" if found.total.exact else "at least "
    console().print(text(f"{least}{found.total.count:,} match"))
    for name, values in found.facets.items():
        shown = table((name, "left"), ("Count", "right"))
        for each in values:
            shown.add_row(text(each.value), text(f"{least}{each.count:,}"))
        console().print(shown)


def _port(row: Row) -> list[str]:
    what = " ".join(each for each in (row["service"], row["product"], row["version"]) if each)
    return [row["address"], f"{row['port']}/{row['protocol']}", what, iso(row["last_seen"]) or ""]


def _connection(row: Row) -> list[str]:
    source = row["src_ip"] if row["src_port"] is None else f"{row['src_ip']} {row['src_port']}"
    end = f"{row['dst_ip']} {row['dst_port']}/{row['protocol']}"
    return [iso(row["arrived_at"]) or "", source, end, row["dst_hostname"] or "", row["process"] or ""]


def _certificate(row: Row) -> list[str]:
    return [row["address"], f"{row['port']}/{row['protocol']}", row["subject"], iso(row["not_after"]) or ""]


_SHOWN: Mapping[str, tuple[Sequence[str], Callable[[Row], list[str]]]] = {
    "ports": (("Address", "Port", "Service", "Last seen"), _port),
    "connections": (("Arrived", "From", "To", "Name", "Process"), _connection),
    "certificates": (("Address", "Port", "Subject", "Expires"), _certificate),
}
"""What is searched → the heads of its columns, and what makes the cells of a row."""
