"""A bundle of STIX 2.1: addresses, names, traffic, software, certificates, and when they were observed."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from cobalt_tasks.hosts.exports import TableRows
from cobalt_tasks.views.exports.ndjson import objects
from cobalt_tasks.views.exports.options import ExportOptions
from cobalt_tasks.views.exports.recent import Recent
from cobalt_tasks.views.exports.stix_objects import (
    StixObject,
    address_of,
    autonomous_system,
    domain_name,
    location,
    observed,
    relationship,
    scalar,
)

Row = Mapping[str, Any]


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[str]:
    """Yield the bundle. source: rows of one of `TABLES`."""
    encode = msgspec.json.Encoder().encode_lines
    objects_of = TABLES[source.table]
    written = Recent()
    yield f'{{"type":"bundle","id":"bundle--{uuid.uuid4()}"'
    before = ',"objects":[\n'
    for rows in objects(source):
        found = [each for row in rows for each in objects_of(row) if written.is_new(each["id"])]
        if found:
            yield before + encode(found).decode().rstrip("\n").replace("\n", ",\n")
            before = ",\n"
    # A list of objects may not be empty.
    yield "}\n" if before.startswith(',"') else "\n]}\n"


def _of_host(row: Row) -> Iterator[StixObject]:
    seen = row["first_seen"], row["last_seen"]
    owner = None if row["asn"] is None else autonomous_system(row["asn"], row["organisation"])
    address = address_of(row["address"], owner)
    names = [domain_name(name) for name in row["names"]]
    scalars = [each for each in (owner, address, *names) if each]
    yield from scalars
    yield observed(f"host {row['address']}", seen, scalars)
    for name in names:
        yield relationship("resolves-to", name, address, seen)
    if (place := location(row)) is not None:
        yield place
        yield relationship("located-at", address, place, (place["created"], place["modified"]))


def _of_port(row: Row) -> Iterator[StixObject]:
    address = address_of(row["address"])
    scalars = [
        address,
        scalar(
            "network-traffic",
            dst_ref=address["id"],
            dst_port=row["port"],
            protocols=_protocols(row["address"], row["protocol"], row["service"]),
        ),
    ]
    if row["product"]:
        scalars.append(scalar("software", name=row["product"], version=row["version"]))
    yield from scalars
    yield observed(
        f"port {row['address']} {row['protocol']} {row['port']}", (row["first_seen"], row["last_seen"]), scalars
    )


def _protocols(address: str, *above: str | None) -> list[str]:
    """Return the protocols of traffic with an address, the lowest first; above: those above IP, None for one that is unknown."""
    return [name.lower() for name in ("ipv6" if ":" in address else "ipv4", *above) if name]


def _shortest(moment: str) -> str:
    """Return a time in UTC without zeros at its end, as stix2 writes it: the id is made of its text."""
    return moment if "." not in moment else f"{moment.rstrip('Z').rstrip('0').rstrip('.')}Z"


def _of_connection(row: Row) -> Iterator[StixObject]:
    source, target = address_of(row["src_ip"]), address_of(row["dst_ip"])
    traffic = scalar(
        "network-traffic",
        start=_shortest(row["observed_at"]),
        src_ref=source["id"],
        dst_ref=target["id"],
        src_port=row["src_port"],
        dst_port=row["dst_port"],
        protocols=_protocols(row["dst_ip"], row["protocol"]),
    )
    yield from (source, target, traffic)
    yield observed(f"connection {row['id']}", (row["observed_at"], row["observed_at"]), [source, target, traffic])


def _of_certificate(row: Row) -> Iterator[StixObject]:
    address = address_of(row["address"])
    certificate = scalar(
        "x509-certificate",
        hashes={"SHA-256": row["fingerprint"]},
        serial_number=row["serial"],
        is_self_signed=row["self_signed"],
        issuer=row["issuer"],
        subject=row["subject"],
        validity_not_before=row["not_before"],
        validity_not_after=row["not_after"],
        subject_public_key_algorithm=row["key_type"] or None,
        signature_algorithm=row["signature"] or None,
    )
    traffic = scalar(
        "network-traffic",
        dst_ref=address["id"],
        dst_port=row["port"],
        protocols=_protocols(row["address"], row["protocol"], "tls"),
    )
    yield from (address, traffic, certificate)
    what = f"certificate {row['address']} {row['protocol']} {row['port']} {row['fingerprint']} {row['source']}"
    yield observed(what, (row["first_seen"], row["last_seen"]), [address, traffic, certificate])


TABLES: Final[Mapping[str, Callable[[Row], Iterator[StixObject]]]] = {
    "hosts": _of_host,
    "ports": _of_port,
    "connections": _of_connection,
    "certificates": _of_certificate,
}
"""Table → what makes objects of its rows."""
