"""The normal form: what anybody says about an address becomes a `Place`, several places become one `Location`.

Everything that comes in is somebody else's data: each part is checked for its type and its range, and is None when it
does not hold. Coordinates come in pairs or not at all, and 0,0 is nobody's address but everybody's "unknown".
"""

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from cobalt_tasks.core.records import Location
from cobalt_tasks.core.text import printable
from cobalt_tasks.geolocation.countries import country_name

_LONGEST = 200
_LONGEST_RAW = 8192
_CODE = re.compile(r"[A-Z]{2}")
_ASN = re.compile(r"AS(\d{1,10})\b\s*(.*)", re.DOTALL)
_LARGEST_ASN = 2**32 - 1
"""RFC 6793."""


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """What one source says about an address; the fields are those of `contracts.Location`."""

    country_code: str | None = None
    country_name: str | None = None
    region: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    timezone: str | None = None
    asn: int | None = None
    organisation: str | None = None
    isp: str | None = None

    @property
    def is_located(self) -> bool:
        """Whether the place is somewhere: a network's number alone is not."""
        return self.country_code is not None or self.latitude is not None


FIELDS = Place.__struct_fields__


def place_of(  # noqa: PLR0913  # a place has as many parts
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
) -> Place:
    """Make a place of raw values: whatever is not what it should be is left out.

    `asn` may be a number or "AS64496 Example Net"; the latter gives an organisation too, unless there is a better one.
    """
    code = _code(country_code)
    number, network = _asn(asn)
    north, east = _coordinates(latitude, longitude)
    return Place(
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
    )


def words(value: object) -> str | None:
    """Return a text as it may be stored and shown, or None when it is empty or no text."""
    if not isinstance(value, str) or not value:
        return None
    value = value[:_LONGEST].strip()
    if not value.isprintable():
        value = printable(value.encode("utf-8", "replace")).strip()
    return value or None


def located(address: str, said: Sequence[tuple[str, Place]], **known: object) -> Location:
    """Put several places together, the first one first; what it leaves open comes from the next.

    A part of an address belongs with its country: another source's city and coordinates are taken only when it agrees
    on the country. `known` are the remaining fields of the location.
    """
    (provider, first), *others = said
    values = msgspec.structs.asdict(first)
    sources: dict[str, str] = {}
    for source, other in others:
        for name in _open(values, other):
            if values[name] is None and (value := getattr(other, name)) is not None:
                values[name] = value
                sources[name] = source
    return Location(
        address=address,
        provider=provider,
        sources=msgspec.json.encode(sources).decode() if sources else None,
        **values,
        **known,  # type: ignore[arg-type]
    )


def raw_text(answer: object) -> str | None:
    """Return an answer as JSON text, None when it is longer than anybody's honest answer."""
    text = msgspec.json.encode(answer)
    return text.decode() if len(text) <= _LONGEST_RAW else None


_COUNTRY = ("country_code", "country_name", "region", "city", "timezone")
_DEGREES = ("latitude", "longitude")
_NETWORK = ("asn", "organisation", "isp")


def _open(values: dict[str, object], other: Place) -> tuple[str, ...]:
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
