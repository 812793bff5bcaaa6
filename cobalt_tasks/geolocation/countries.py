"""English names of countries, by their ISO 3166-1 code.

The table is made from the time-zone database's iso3166.tab, which is in the public domain, with a few names in the
order people expect ("South Korea"), and XK, which geolocation databases use for Kosovo.
"""

from functools import cache
from pathlib import Path


@cache
def _names() -> dict[str, str]:
    lines = Path(__file__).with_name("countries.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def country_name(code: str | None) -> str | None:
    """Return the name that belongs to a two-letter code, or None for an unknown code."""
    return _names().get(code) if code else None
