"""How an export is written, beside its format."""

from pathlib import Path
from typing import Final

from msgspec import Struct


class ExportOptions(Struct, frozen=True, kw_only=True):
    """What a user may choose.

    Attributes:
        separator: between the cells of CSV.
        home: the folder of networks.toml, for the places of sites; None: there are none.

    """

    separator: str = ","
    home: Path | None = None


USUAL: Final = ExportOptions()
