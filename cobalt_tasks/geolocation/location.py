"""The normal form of what a source reports about an address, and the combination of several reports.

All input is data from outside: each part is checked for its type and its range, and is None if it does not hold.
Coordinates are present in pairs or not at all; 0,0 means unknown.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from cobalt_tasks.core.records import Location
from cobalt_tasks.core.text import printable
from cobalt_tasks.geolocation.countries import country_name

_LONGEST = 200
_LONGEST_RAW = 8192
_CODE = re.compile(r"[A-Z]{2}")
_ASN = re.compile(r"AS(\d{1,10})\b\s*(.*)", re.DOTALL)
_LARGEST_ASN = 2**32 - 1
"""RFC 6793."""


_COUNTRY: Final = ("country_code", "country_name", "region", "city", "timezone")
_DEGREES: Final = ("latitude", "longitude")
_NETWORK: Final = ("asn", "organisation", "isp")
FIELDS: Final = _COUNTRY + _DEGREES + _NETWORK
"""The parts of a location that a source may report."""


def location_of(  # noqa: PLR0913  # a location has as many parts
    *,
    country_code: object = None,
    country: object = None,
    region: object = None,
    city: object = None,
    latitude: object = None,
    longitude: object = None,
    timezone: object = None,
    asn: object = None,
    organisation: object = None,
    isp: object = None,
    raw: object = None,
) -> Location:
    """Make a location of the raw values of one source; `combined` adds the address, the provider and the time.

    Args:
        country_code: two letters (ISO 3166-1).
        country: the name of the country; None: the English name of the code.
        region: a state or province.
        city: a city.
        latitude: degrees, as a number or text; north is positive.
        longitude: degrees; east is positive.
        timezone: the name of a time zone, such as Europe/Berlin.
        asn: the number of the network, or "AS64496 Example Net", which has the organisation too.
        organisation: who runs the network.
        isp: the internet provider.
        raw: the whole answer, kept as JSON text if it is not too long.

    """
    code = _code(country_code)
    number, network = _asn(asn)
    north, east = _coordinates(latitude, longitude)
    return Location(
        country_code=code,
        country_name=words(country) or country_name(code),
        region=words(region),
        city=words(city),
        latitude=north,
        longitude=east,
        timezone=words(timezone),
        asn=number,
        organisation=words(organisation) or network,
        isp=words(isp),
        raw=None if raw is None else raw_text(raw),
    )


def words(value: object) -> str | None:
    """Return a text as it may be stored and shown; None if it is empty or no text."""
    if not isinstance(value, str) or not value:
        return None
    value = value[:_LONGEST].strip()
    if not value.isprintable():
        value = printable(value.encode("utf-8", "replace")).strip()
    return value or None


def combined(
    address: str,
    reported: Sequence[tuple[str, Location]],
    *,
    fetched_at: float,
    database_built: float | None = None,
) -> Location:
    """Combine what several sources report about one address: what the first leaves open comes from the next.

    The parts of a place belong to its country: another source's city and coordinates are used only if it agrees on the
    country. The names of a network are used only if it agrees on the network's number.

    Args:
        address: the address, in canonical form.
        reported: the sources in order of preference, by name, each with its report; the first is the provider.
        fetched_at: when the provider answered, in epoch seconds.
        database_built: build time of the local database that answered; None for an online provider.

    """
    (provider, first), *others = reported
    values = {name: getattr(first, name) for name in FIELDS}
    sources: dict[str, str] = {}
    for source, other in others:
        for name in _open(values, other):
            if values[name] is None and (value := getattr(other, name)) is not None:
                values[name] = value
                sources[name] = source
    return Location(
        address=address,
        provider=provider,
        fetched_at=fetched_at,
        sources=msgspec.json.encode(sources).decode() if sources else None,
        database_built=database_built,
        raw=first.raw,
        **values,
    )


def raw_text(answer: object) -> str | None:
    """Return an answer as JSON text; None if it is too long to keep."""
    text = msgspec.json.encode(answer)
    return text.decode() if len(text) <= _LONGEST_RAW else None


def _open(values: dict[str, Any], other: Location) -> tuple[str, ...]:
    """Return the fields another source may add: the place within the same country, the names of the same network."""
    fields: tuple[str, ...] = _COUNTRY if values["country_code"] in (None, other.country_code) else ()
    if fields and values["latitude"] is None:
        fields += _DEGREES
    return fields + _NETWORK if values["asn"] in (None, other.asn) else fields


def _code(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    code = value.strip().upper()
    return code if _CODE.fullmatch(code) and code != "ZZ" else None


def _asn(value: object) -> tuple[int | None, str | None]:
    name = None
    if isinstance(value, str) and (match := _ASN.match(value.strip())):
        value, name = int(match[1]), words(match[2])
    elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_LARGEST_ASN)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST_ASN:
        return None, name
    return value, name


def _coordinates(latitude: object, longitude: object) -> tuple[float | None, float | None]:
    north, east = _degrees(latitude, 90), _degrees(longitude, 180)
    if north is None or east is None or (north == 0 and east == 0):
        return None, None
    return north, east


def _degrees(value: object, largest: float) -> float | None:
    if not isinstance(value, float):
        if isinstance(value, bool) or not isinstance(value, int | str):
            return None
        try:
            value = float(value)
        except (ValueError, OverflowError):
            return None
    # A database stores 37.4220 in single precision; five digits are a metre.
    return round(value, 5) if -largest <= value <= largest else None
