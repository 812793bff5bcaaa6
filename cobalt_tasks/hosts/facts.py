"""Facts about hosts and ports, written by workers and by ingest alike."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, and_, func

from cobalt_tasks.core.changes import Change
from cobalt_tasks.core.records import Banner, Certificate, Facts, HardwareAddress, Hostname, Sighting
from cobalt_tasks.db.bulk import insert_into
from cobalt_tasks.db.tables import banners, certificates, hardware_addresses, hostnames, sightings
from cobalt_tasks.db.tables.base import backwards
from cobalt_tasks.db.upserts import upsert, upsert_new
from cobalt_tasks.hosts import differences, locations, services
from cobalt_tasks.hosts.certificate_names import names_from
from cobalt_tasks.hosts.search import texts

Row = dict[str, object]


def write(connection: Connection, facts: Facts) -> list[Change]:
    """Store `facts` and return what changed with them, for `changes.write` at the end of the transaction.

    What is known already only changes its times. Rows go in by key, so that writers cannot deadlock.
    """
    moved = locations.write(connection, facts.locations)
    names = _write_hostnames(connection, facts.hostnames)
    write_banners(connection, [fact for fact in facts.banners if fact.raw])
    changed = services.write(connection, facts.banners)
    texts.add_versions(connection, (fact.version for fact in facts.banners))
    _write_hardware_addresses(connection, facts.hardware_addresses)
    _write_certificates(connection, facts.certificates)
    key = ("address", "protocol", "port", "fingerprint", "source")
    seen = upsert_new(connection, sightings, _latest(map(_seen, facts.sightings), key), keep=("details",))
    names += _write_hostnames(connection, names_from(connection, facts.certificates, facts.sightings))
    found = (facts.locations, facts.hostnames, facts.banners, facts.sightings)
    texts.enqueue(connection, {fact.address for each in found for fact in each})
    changed += moved
    return [*changed, *differences.of_names(connection, names), *differences.of_certificates(connection, seen)]


def banner_digest(service: str | None, raw: bytes) -> str:
    """Return the key of a banner of one port: equal for the same `service` and the same `raw` bytes."""
    return f"{service or ''}:{hashlib.blake2b(raw, digest_size=12).hexdigest()}"


def write_banners(connection: Connection, found: Sequence[Banner]) -> None:
    """Store banners without changing what is known of their ports' services; `found` may name none (a page's title)."""
    key = ("address", "protocol", "port", "source", "digest")
    rows = [{**_seen(fact), "digest": banner_digest(fact.service, fact.raw)} for fact in found]
    for row in rows:
        # They belong to the service, not to what was sent.
        del row["rank"], row["details"]
    upsert(connection, banners, _latest(rows, key), keep=("product", "version"))


def _write_hostnames(connection: Connection, facts: Sequence[Hostname]) -> list[tuple[str, ...]]:
    """Return the keys of the names that are new."""
    rows = ({**_seen(fact), "reversed": backwards(fact.name)} for fact in facts)
    return upsert_new(connection, hostnames, _latest(rows, ("address", "name", "source")), keep=("confirmed",))


def _write_hardware_addresses(connection: Connection, facts: Sequence[HardwareAddress]) -> None:
    upsert(connection, hardware_addresses, _latest(map(_seen, facts), ("address", "mac", "source")), keep=("vendor",))


def _write_certificates(connection: Connection, facts: Sequence[Certificate]) -> None:
    rows = _latest(
        ({**msgspec.structs.asdict(fact), "names": msgspec.json.encode(fact.names).decode()} for fact in facts),
        ("fingerprint",),
    )
    if rows:
        insert = insert_into(connection, certificates)
        # A sensor's description is replaced by the certificate itself; nothing replaces that.
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["fingerprint"],
                set_={name: insert.excluded[name] for name in rows[0] if name != "fingerprint"},
                where=and_(func.length(certificates.c.der) == 0, func.length(insert.excluded.der) > 0),
            ),
            rows,
        )
        texts.add_certificate_names(connection, facts)


def _seen(fact: Hostname | Banner | Sighting | HardwareAddress) -> Row:
    row = msgspec.structs.asdict(fact)
    observed_at = row.pop("observed_at")
    return {**row, "first_seen": observed_at, "last_seen": observed_at}


def _latest(rows: Iterable[Row], key: Sequence[str]) -> list[Row]:
    """Return one row for each key, the last, in the order of the keys."""
    return [row for _, row in sorted({tuple(row[name] for name in key): row for row in rows}.items())]
