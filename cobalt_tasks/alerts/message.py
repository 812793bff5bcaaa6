"""One message about one or many things, in the forms that receivers want."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from cobalt_tasks.core.text import printable

_LONGEST: Final = 500
"""Characters of one line."""


class Message(Struct, frozen=True, kw_only=True):
    """What a receiver gets.

    Attributes:
        key: the same in every repetition.
        rule: the name of the rule.
        severity: info, notice, warning or critical.
        created_at: epoch seconds.
        count: how many things it is about.
        items: the first of them; each has `text`, and a change its parts.

    """

    key: str
    rule: str
    severity: str
    created_at: float
    count: int
    items: Sequence[Mapping[str, Any]]

    @property
    def title(self) -> str:
        """The rule, and how many things."""
        return f"Cobalt: {self.rule}" + (f" ({self.count:,})" if self.count > 1 else "")

    @property
    def lines(self) -> list[str]:
        """One line for each item, and how many more there are."""
        listed = [line(item["text"]) for item in self.items]
        more = self.count - len(listed)
        return [*listed, f"and {more:,} more: cobalt changes lists them"] if more > 0 else listed


def line(text: str) -> str:
    """Return `text` as one line of limited length, without control characters."""
    return printable(" ".join(text[:_LONGEST].split()).encode("utf-8", "replace"))


def of_change(row: Mapping[str, Any]) -> str:
    """Return a change (`row`) in words, on one line."""
    port = f" {row['port']}/{row['protocol']}" if row["protocol"] else ""
    what = f"{row['address']}{port}: {row['kind']}" if row["address"] else str(row["kind"])
    if row["old"] and row["new"]:
        what += f", from {row['old']} to {row['new']}"
    elif row["new"]:
        what += f": {row['new']}"
    elif row["old"]:
        what += f", was {row['old']}"
    details = row["details"] if isinstance(row["details"], dict) else {}
    ports = details.get("ports")
    if isinstance(ports, list) and ports:
        more = details.get("count", len(ports)) - len(ports[:10])
        what += f", open: {', '.join(map(str, ports[:10]))}" + (f" and {more} more" if more > 0 else "")
    elif isinstance(ports, int):
        what += f": {details.get('hosts', 0):,} hosts, {ports:,} ports"
    return what
