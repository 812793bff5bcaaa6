"""Addresses for `nmap -iL`: one a line; of ports, with those that are open as a comment in the form of `nmap -p`."""

from collections.abc import Iterator
from typing import Any, Final

from cobalt_tasks.hosts.exports import TableRows
from cobalt_tasks.views.exports.options import ExportOptions

_LETTERS: Final = {"tcp": "T", "udp": "U", "sctp": "S"}


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[str]:
    """Yield the addresses. source: hosts, or ports, whose rows of one host follow each other."""
    if source.table == "hosts":
        place = source.names.index("address")
        for values in source.pages():
            yield "".join(f"{address}\n" for address in values[place])
        return
    yield from _of_ports(source.rows)


def _of_ports(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    address, seen = "", dict[str, list[str]]()
    for row in rows:
        if row["address"] != address:
            yield _line(address, seen)
            address, seen = row["address"], {}
        if row["closed_since"] is None and (letter := _LETTERS.get(row["protocol"])):
            seen.setdefault(letter, []).append(str(row["port"]))
    yield _line(address, seen)


def _line(address: str, seen: dict[str, list[str]]) -> str:
    """Return the line of an `address` and the ports `seen` open by the letters of their protocols; '' without any."""
    parts = (f"{letter}:{','.join(seen[letter])}" for letter in _LETTERS.values() if letter in seen)
    return f"{address} # -p {','.join(parts)}\n" if seen else ""
