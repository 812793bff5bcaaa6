"""Connections that a tool names: lines of one connection become one, whichever file they stand in and in whichever order.

Of the lines that are joined, the one that knows the connection best decides its ends, its protocol and its start
(`IdentifiedConnection.precedes`); the details of all are kept. The result does not depend on the order of the lines.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct
from xxhash import xxh3_64_intdigest

from cobalt_tasks.core.records import Authority, Observation

_NAMED_BY_IDENTITY_ALONE: Final = frozenset({"zeek"})
"""Tools whose identity occurs once; another's (Suricata's flow_id) names a connection only together with its two ends."""

_HALF: Final = 1 << 63
"""Databases have signed integers."""

_LONGEST: Final = 16 * 1024
"""Characters of the details of one connection; what would make them longer is left out, and `cut` is set."""

_MOST: Final = 32
"""Entries of a list in the details."""

BY_PORT: Final = "by port"
"""What `direction` in the details is where the tool did not report which end spoke first: the lower port is the server's."""

_GUESS: Final = ("direction", BY_PORT)

Details = dict[str, Any]


class IdentifiedConnection(Struct, gc=False):
    """A connection with an identity: what its lines report of it, joined. The first fields are columns, in their order.

    `first_at` and `last_at` are the earliest and latest times of its lines, in epoch seconds: the hosts were seen then.
    """

    observed_at: float
    src_ip: str
    src_port: int | None
    dst_ip: str
    dst_port: int
    protocol: str
    process: str | None
    identity: str
    details: str | None
    authority: int
    first_at: float
    last_at: float

    def precedes(self, other: "IdentifiedConnection") -> bool:
        """Return whether this line decides before `other`: the higher authority, then the earlier, then a fixed order."""
        if self.authority != other.authority:
            return self.authority > other.authority
        return _order(self) < _order(other)

    def join(self, other: "IdentifiedConnection") -> None:
        """Add what `other`, another line of this connection, reports."""
        if other.precedes(self):
            self.details = _joined(better=other, worse=self)
            self.process = other.process or self.process
            self.observed_at, self.authority, self.protocol = other.observed_at, other.authority, other.protocol
            self.src_ip, self.src_port, self.dst_ip, self.dst_port = (
                other.src_ip,
                other.src_port,
                other.dst_ip,
                other.dst_port,
            )
        else:
            self.details = _joined(better=self, worse=other)
            self.process = self.process or other.process
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)


def identified(seen: Observation, observed_at: float) -> IdentifiedConnection:
    """Return a line with an identity as a connection; `seen` is the line, `observed_at` its time in epoch seconds."""
    # By position: this is the hot path of input.
    return IdentifiedConnection(
        observed_at,
        seen.src_ip,
        seen.src_port,
        seen.dst_ip,
        seen.dst_port,
        seen.protocol,
        seen.process,
        seen.identity or "",
        seen.details,
        int(seen.authority),
        observed_at,
        observed_at,
    )


def key_of(tool: str, seen: Observation) -> int:
    """Return the key of a connection's identity: 64 bits, signed, the same for every line of it.

    tool: the program that wrote the line; seen: the line, which has an identity.
    """
    name = f"{tool}\0{seen.identity}"
    if tool not in _NAMED_BY_IDENTITY_ALONE:
        one, other = f"{seen.src_ip} {seen.src_port or 0}", f"{seen.dst_ip} {seen.dst_port}"
        name += f"\0{one}\0{other}" if one < other else f"\0{other}\0{one}"
    # Not cryptographic, and need not be: the tool makes the identity up, and rows are compared by it (store/identities.py).
    return xxh3_64_intdigest(name.encode()) - _HALF


def _order(line: IdentifiedConnection) -> tuple[float, str, int, str, int, str]:
    return line.observed_at, line.src_ip, line.src_port or 0, line.dst_ip, line.dst_port, line.protocol


def _joined(*, better: IdentifiedConnection, worse: IdentifiedConnection) -> str | None:
    """Return the details of two lines as one JSON text."""
    if worse.details is None or worse.details == better.details:
        return better.details
    old, new = _read(worse.details), _read(better.details)
    if better.authority > Authority.PACKET and _GUESS in old.items() and _GUESS[0] not in new:
        del old[_GUESS[0]]
    both = _merged(new, old)
    encoded = msgspec.json.encode(both, order="sorted")
    if len(encoded) > _LONGEST:
        encoded = msgspec.json.encode(new | {"cut": True}, order="sorted")
    return encoded.decode() if both else None


def _merged(one: Details, other: Details) -> Details:
    both = dict(one)
    for name, value in other.items():
        both[name] = _both(both[name], value) if name in both else value
    return both


def _both(one: Any, other: Any) -> Any:
    """Return what stands for two values of one name: the larger number, or all different values in a fixed order."""
    if one == other:
        return one
    if isinstance(one, dict) and isinstance(other, dict):
        return _merged(one, other)
    if _is_number(one) and _is_number(other):
        return max(one, other)
    values = [*(one if isinstance(one, list) else [one]), *(other if isinstance(other, list) else [other])]
    by_text = {msgspec.json.encode(each, order="sorted"): each for each in values}
    return [by_text[text] for text in sorted(by_text)][:_MOST]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read(details: str | None) -> Details:
    try:
        return msgspec.json.decode(details, type=Details) if details else {}
    except msgspec.DecodeError:
        # A ledger of an early version may hold details that were cut anywhere.
        return {}
