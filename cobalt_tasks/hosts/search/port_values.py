"""Values of fields of ports alone."""

from sqlalchemy import and_

from cobalt_tasks.hosts.search.language import SearchError, Value
from cobalt_tasks.hosts.search.values import Context, Test, ValueKind


class PortState(ValueKind):
    """Whether a port is open, not confirmed by the last scan that looked, or closed."""

    word = "open, unconfirmed or closed"

    def _test(self, column: str, compare: str, value: Value, context: Context) -> Test:  # noqa: ARG002
        match value.text.lower():
            case "open":
                return lambda row: row["unconfirmed_since"].is_(None)
            case "unconfirmed":
                return lambda row: and_(row["unconfirmed_since"].is_not(None), row["closed_since"].is_(None))
            case "closed":
                # Written out, so that the index of ports that are not open serves.
                return lambda row: and_(row["unconfirmed_since"].is_not(None), row["closed_since"].is_not(None))
            case _:
                raise SearchError("write open, unconfirmed or closed", value.column)
