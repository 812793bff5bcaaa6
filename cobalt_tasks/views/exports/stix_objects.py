"""Objects of STIX 2.1, with ids that are the same in each export.

The id of an observable is made of the properties that the standard names for it (section 2.9), so that other programs' ids of the
same address or certificate are equal. Other objects have a namespace of our own.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

StixObject = dict[str, Any]
Span = tuple[str, str]
"""The first and the last time, in ISO 8601."""

_OBSERVABLES: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The namespace of the standard."""
_OURS: Final = uuid.UUID("6f0c2a1e-52bd-5d0e-9a44-2f6d1c0b7e35")

_KNOWN_BY: Final[Mapping[str, frozenset[str]]] = {
    "autonomous-system": frozenset({"number"}),
    "domain-name": frozenset({"value"}),
    "ipv4-addr": frozenset({"value"}),
    "ipv6-addr": frozenset({"value"}),
    "network-traffic": frozenset({"start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols"}),
    "software": frozenset({"name", "cpe", "vendor", "version"}),
    "x509-certificate": frozenset({"hashes", "serial_number"}),
}
_canonical: Final = msgspec.json.Encoder(order="sorted").encode
"""JSON in its canonical form (RFC 8785), of the texts and whole numbers that ids are made of."""


def scalar(type_: str, **properties: Any) -> StixObject:
    """Return an observable of a type; properties of None are left out."""
    known = {name: value for name, value in properties.items() if value is not None}
    contributing = {name: value for name, value in known.items() if name in _KNOWN_BY[type_]}
    number = uuid.uuid5(_OBSERVABLES, _canonical(contributing).decode())
    return {"type": type_, "spec_version": "2.1", "id": f"{type_}--{number}", **known}


def address_of(address: str, owner: StixObject | None = None) -> StixObject:
    """Return an address. address: as text; owner: its autonomous system."""
    owners = None if owner is None else [owner["id"]]
    return scalar("ipv6-addr" if ":" in address else "ipv4-addr", value=address, belongs_to_refs=owners)


def autonomous_system(number: int, organisation: str | None) -> StixObject:
    """Return the autonomous system with a `number`, of an `organisation`."""
    return scalar("autonomous-system", number=number, name=organisation)


def domain_name(name: str) -> StixObject:
    """Return a name."""
    return scalar("domain-name", value=name)


def observed(what: str, span: Span, objects: Sequence[StixObject]) -> StixObject:
    """Return when objects were observed together.

    what: the same for each observation of them; span: from the first to the last time; objects: the observables.
    """
    first, last = span[0], max(span)
    times = {"created": first, "modified": last, "first_observed": first, "last_observed": last}
    refs = list(dict.fromkeys(each["id"] for each in objects))
    return {**_own("observed-data", what), **times, "number_observed": 1, "object_refs": refs}


def relationship(kind: str, source: StixObject, target: StixObject, span: Span) -> StixObject:
    """Return what one object has to do with another.

    kind: of the relationship; source, target: the objects; span: when it was first and last known.
    """
    return {
        **_own("relationship", f"{kind} {source['id']} {target['id']}"),
        "created": span[0],
        "modified": max(span),
        "relationship_type": kind,
        "source_ref": source["id"],
        "target_ref": target["id"],
    }


def location(row: Mapping[str, Any]) -> StixObject | None:
    """Return where a host is, None where that is not known. row: the host."""
    latitude, longitude = row["latitude"], row["longitude"]
    has_place = latitude is not None and longitude is not None
    if not has_place and not row["country_code"]:
        return None
    known = {
        "country": row["country_code"],
        "administrative_area": row["region"],
        "city": row["city"],
        "latitude": latitude if has_place else None,
        "longitude": longitude if has_place else None,
    }
    at = row["located_at"] or row["first_seen"]
    place = {name: value for name, value in known.items() if value is not None}
    return {**_own("location", f"location of {row['address']}"), "created": at, "modified": at, **place}


def _own(type_: str, what: str) -> StixObject:
    """Return the start of an object that is no observable, of a type, with an id made of `what` it is about."""
    return {"type": type_, "spec_version": "2.1", "id": f"{type_}--{uuid.uuid5(_OURS, what)}"}
