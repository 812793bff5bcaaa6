"""Cowrie, a honeypot: the connections to it, from its JSON log, and what was done in each."""

from typing import Any, ClassVar, Final

import msgspec

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_PREFIX: Final = "cowrie."
_CONNECT: Final = "cowrie.session.connect"
_CLOSED: Final = "cowrie.session.closed"
_KEPT: Final = {"protocol": "service", "session": "session", "sensor": "sensor"}
_USED: Final = frozenset({"eventid", "session", "sensor", "src_ip", "protocol", "message", "uuid", "system", "isError"})
"""What is kept with the connection, and texts for people, in which passwords stand too."""

_LONGEST: Final = 64
_MOST_SESSIONS: Final = 256


class _Ends(msgspec.Struct, array_like=True):
    """A session's two ends, and when it started: only its first event has them."""

    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int
    observed_at: float | None


_decode_state = msgspec.json.Decoder(dict[str, _Ends]).decode


class Cowrie(JsonFormat):
    """A session is a connection, and its other events are details of it; those of a session whose start is unknown are ignored."""

    name: ClassVar = "cowrie"
    family: ClassVar = "cowrie"
    tool: ClassVar = "cowrie"
    summary: ClassVar = (
        "the connections in the JSON log of the honeypot, with what was done in each, passwords left out"
    )
    is_traffic: ClassVar = True

    def __init__(self) -> None:
        """Start without a session."""
        self._sessions: dict[str, _Ends] = {}

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by the name of an event."""
        return isinstance(event := record.get("eventid"), str) and event.startswith(_PREFIX)

    @property
    def state(self) -> str | None:
        """The latest sessions that have not ended."""
        return msgspec.json.encode(self._sessions).decode() if self._sessions else None

    @state.setter
    def state(self, text: str | None) -> None:
        self._sessions = _decode_state(text) if text else {}

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one event, a `record`, into `batch`."""
        event, session = record.get("eventid"), values.text(record.get("session"), _LONGEST)
        if event == _CONNECT:
            ends = _Ends(
                src_ip=values.address(record.get("src_ip"), "src_ip"),
                src_port=values.port(record.get("src_port", 0), "src_port"),
                dst_ip=values.address(record.get("dst_ip"), "dst_ip"),
                dst_port=values.port(record.get("dst_port"), "dst_port"),
                observed_at=values.timestamp(record.get("timestamp")),
            )
            kept = {name: record[key] for key, name in _KEPT.items() if isinstance(record.get(key), str)}
            _observe(batch, ends, session, values.details(kept))
            if session:
                self._remember(session, ends)
            return
        known = self._sessions.get(session or "")
        if known is None or not isinstance(event, str):
            batch.ignore()
            return
        found = values.bounded_parts(record, 1, _USED)
        _observe(batch, known, session, values.details({event.removeprefix(_PREFIX): [found]}))
        if event == _CLOSED:
            del self._sessions[session or ""]

    def _remember(self, session: str, ends: _Ends) -> None:
        if len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[session] = ends


def _observe(batch: Batch, ends: _Ends, session: str | None, details: str | None) -> None:
    """Add a connection, or what is known of it beside its start.

    batch: what it is added to; ends: of the connection; session: its name, None if the log has none; details: as JSON.
    """
    batch.observe(
        Observation(
            src_ip=ends.src_ip,
            src_port=ends.src_port,
            dst_ip=ends.dst_ip,
            dst_port=ends.dst_port,
            protocol="tcp",
            observed_at=ends.observed_at,
            identity=session,
            authority=Authority.FLOW,
            details=details,
        )
    )
