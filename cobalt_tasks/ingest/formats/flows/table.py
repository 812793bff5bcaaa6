"""What the tables of flows share: two ends, a protocol, a start, counts, whatever their columns are called."""

from collections.abc import Mapping
from typing import Any, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.connections import BY_PORT

_DAY: Final = 86400
_CARRIED: Final = {"rtp": "udp", "rtcp": "udp", "udt": "udp"}
"""What argus calls by the name of what it carries."""

_NO_PORTS: Final = ("icmp", "icmp6", "igmp", "gre", "esp")
_FIRST: Final = "S"
_ANSWER: Final = "A"


def add(  # noqa: PLR0913  # what a flow consists of
    batch: Batch,
    record: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    start: float | None,
    is_directed: bool,
    is_back: bool = False,
    is_one_way: bool = False,
    identity: str | None = None,
) -> None:
    """Add one flow.

    Args:
        batch: what it is added to.
        record: its cells by column.
        columns: the column of each core value: source, source_port, target, target_port, protocol.
        start: epoch seconds; None for the arrival.
        is_directed: whether it is known which end spoke first. If not, the lower port is the server's.
        is_back: whether that is the target.
        is_one_way: whether a flow is one direction of a connection: the two are joined, whatever else is known.
        identity: what else names the connection, None if nothing does.

    Raises:
        RefusedError: one of the values is none.

    """
    protocol, ends = _ends(record, columns)
    note = {"icmp": record.get(columns["target_port"])} if protocol.startswith("icmp") else {}
    if not is_directed:
        note |= {"direction": BY_PORT} if ends[0][1] and ends[1][1] else {}
        is_back = values.is_from_server(ends[0][1], ends[1][1], ends[1][0])
    (source, source_port), (target, target_port) = ends[::-1] if is_back else ends
    at = batch.written_at if start is None else start
    if identity is None and (is_one_way or not is_directed):
        identity = f"{protocol} {int(at // _DAY)}"
    batch.observe(
        Observation(
            src_ip=source,
            src_port=source_port,
            dst_ip=target,
            dst_port=target_port,
            protocol=protocol,
            observed_at=start,
            identity=values.text(identity),
            authority=Authority.FLOW if is_directed else Authority.PACKET,
            details=_details(record, columns, note, start),
        )
    )


def is_opened(flags: Any) -> bool:
    """Return whether the source of a flow sent the packet that opens a connection: its letters have S and no A.

    With both, it is either end: who opens a connection acknowledges the answer later.
    """
    return isinstance(flags, str) and _FIRST in flags and _ANSWER not in flags


def _ends(record: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[str, list[tuple[str, int]]]:
    """Return the protocol, and address and port of both ends.

    record: its cells by column; columns: the column of each core value.
    """
    protocol = values.protocol(record.get(columns["protocol"], "ip"))
    protocol = _CARRIED.get(protocol, protocol)
    ends = [
        (
            values.address(record.get(columns[end]), columns[end]),
            0 if protocol in _NO_PORTS else _port(record.get(columns[f"{end}_port"]), columns[f"{end}_port"]),
        )
        for end in ("source", "target")
    ]
    return protocol, ends


def _details(
    record: Mapping[str, Any], columns: Mapping[str, str], note: Mapping[str, Any], start: float | None
) -> str | None:
    used = set(columns.values()) - ({columns.get("start")} if start is None else set())
    kept = {name: value for name, value in record.items() if name not in used} | dict(note)
    return values.rest(kept, ())


def _port(value: Any, name: str) -> int:
    """Return a port; ICMP has `8.0` there, argus hexadecimal numbers."""
    if value in (None, "", "*", "-"):
        return 0
    if isinstance(value, str) and value[:2].lower() == "0x" and len(value) <= 6:  # noqa: PLR2004
        try:
            return int(value, 16)
        except ValueError:
            return 0
    text = value.partition(".")[0] if isinstance(value, str) else value
    return values.named_port(text, f"{name} (use -n for numbers)" if isinstance(text, str) and text.isalpha() else name)
