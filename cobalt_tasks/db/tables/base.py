"""What every table uses: the metadata with the names of keys and indexes, and the type of row ids."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

# SQLite counts rows by itself only in a column of this very type.
RowId = BigInteger().with_variant(Integer, "sqlite")

ByteOrder = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared byte by byte, so that an index serves for the start of a text, whatever the database's collation."""


def from_column(column: str, derive: Callable[[str], str]) -> Callable[[Any], str]:
    """Return a default that `derive` makes from another `column` of the new row."""
    return lambda context: derive(context.get_current_parameters()[column])


def backwards(name: str) -> str:
    """Return a name backwards, in lower case."""
    return name.lower()[::-1]


NOT_TCP = "protocol <> 'tcp'"
"""Nearly every port is one of TCP: the indexes of the protocol hold the others only."""
