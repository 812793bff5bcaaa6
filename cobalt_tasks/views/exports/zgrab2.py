"""The JSON lines of zgrab2, which `cobalt ingest zgrab2` reads back: a line for each port that is open.

zgrab2 has UDP for NTP and BACnet alone, and its lines name no transport: other ports of UDP are left out, and so is what
runs NTP or BACnet on TCP.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from cobalt_tasks.hosts.exports import TableRows
from cobalt_tasks.views.exports.ndjson import objects
from cobalt_tasks.views.exports.options import ExportOptions

_OF_UDP: Final = frozenset({"ntp", "bacnet"})
_UNKNOWN: Final = "banner"
"""The module that reads what any server sends first."""


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[str]:
    """Yield the lines. source: ports."""
    encode = msgspec.json.Encoder().encode_lines
    for rows in objects(source):
        lines = [_line(row) for row in rows if row["closed_since"] is None and _has_form(row)]
        if lines:
            yield encode(lines).decode()


def _has_form(row: dict[str, Any]) -> bool:
    protocol: str = row["protocol"]
    return protocol == ("udp" if row["service"] in _OF_UDP else "tcp")


def _line(row: dict[str, Any]) -> dict[str, Any]:
    module = {
        # Without a service, an answer that names none.
        "status": "success" if row["service"] else "application-error",
        "protocol": row["service"] or _UNKNOWN,
        "port": row["port"],
        "result": _result(row),
        "timestamp": row["last_seen"],
    }
    return {"ip": row["address"], "data": {row["service"] or _UNKNOWN: module}}


def _result(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if row["banner"]:
        found["banner"] = row["banner"]
    software = {name: row[name] for name in ("product", "version") if row[name]}
    return {**found, "server_properties": software} if software else found
