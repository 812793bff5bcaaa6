"""The layouts of records in local databases, by any publisher.

MaxMind and DB-IP nest (`country.iso_code`, `city.names.en`, `location.latitude`), ip-location-db and IPinfo are flat;
the record decides which it is, not the name of the file.
"""

from collections.abc import Mapping

from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.location import location_of

Record = Mapping[str, object]


def read(record: object) -> Location:
    """Return what a record reports; nothing for an unknown layout."""
    if not isinstance(record, Mapping):
        return Location()
    if isinstance(record.get("country_code"), str):
        return _flat(record)
    return _nested(record)


def _flat(record: Record) -> Location:
    return location_of(
        country_code=record["country_code"],
        country=record.get("country_name") or record.get("country"),
        region=record.get("state1") or record.get("region"),
        city=record.get("city"),
        latitude=record.get("latitude"),
        longitude=record.get("longitude"),
        timezone=record.get("timezone"),
        asn=record.get("autonomous_system_number") or record.get("asn"),
        organisation=record.get("autonomous_system_organization") or record.get("as_name"),
    )


def _nested(record: Record) -> Location:
    # Where an address is announced for many countries, only the one it is registered in is known.
    country = _part(record, "country") or _part(record, "registered_country")
    location, traits = _part(record, "location"), _part(record, "traits")
    return location_of(
        country_code=country.get("iso_code"),
        country=_name(country),
        region=_name(_first(record.get("subdivisions"))),
        city=_name(_part(record, "city")),
        latitude=location.get("latitude"),
        longitude=location.get("longitude"),
        timezone=location.get("time_zone"),
        asn=record.get("autonomous_system_number") or traits.get("autonomous_system_number") or record.get("asn"),
        organisation=record.get("autonomous_system_organization")
        or traits.get("autonomous_system_organization")
        or record.get("as_name"),
        isp=record.get("isp") or traits.get("isp"),
    )


def _part(record: Record, key: str) -> Record:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def _first(value: object) -> Record:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], Mapping) else {}


def _name(record: Record) -> object:
    return _part(record, "names").get("en")
