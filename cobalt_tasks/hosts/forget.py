"""Deletes all that is known about some hosts, or all that one source brought, in small transactions.

What is stopped in the middle can be done again. The counts of sources stay: they are those of what was read, not of what is stored.
"""

import re
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, delete, or_, select, tuple_, update

from cobalt_tasks.core.addresses import canonical, sort_keys
from cobalt_tasks.core.special_networks import Network
from cobalt_tasks.db import old_rows
from cobalt_tasks.db.bulk import among, one_of
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import (
    alerts,
    banners,
    certificate_names,
    certificates,
    changes,
    corrected_hosts,
    discoveries,
    findings,
    freshness,
    hardware_addresses,
    hostnames,
    hosts,
    identities,
    jobs,
    locations,
    new_findings,
    notes,
    observations,
    ports,
    rejects,
    scanned_hosts,
    scanned_networks,
    scanned_ports,
    scores,
    search_queue,
    search_texts,
    services,
    sightings,
    sources,
    unscored_hosts,
)

_HOSTS_AT_ONCE: Final = 100
_MOST_ADDRESSES: Final = 1 << 16
_ADDRESSES_AT_ONCE: Final = 1_024
_ROWS_AT_ONCE: Final = 2_000
_LOOKED_THROUGH: Final = 20_000

_BY_ADDRESS: Final[tuple[Table, ...]] = (
    *(jobs, freshness, findings, scores, ports, services, banners, sightings, hostnames, locations, hardware_addresses),
    *(
        search_texts,
        search_queue,
        changes,
        notes,
        scanned_hosts,
        scanned_ports,
        corrected_hosts,
        unscored_hosts,
        new_findings,
    ),
)
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+")


def forget_network(database: Database, network: Network) -> Counter[str]:
    """Delete the hosts of a network, all that is known about them, their connections, and what names them in rejects and alerts.

    Args:
        database: the ledger.
        network: the network, or one address.

    Returns:
        How many rows of each table went.

    """
    gone: Counter[str] = Counter()
    ends = select(hosts.c.address).where(hosts.c.address_key.between(*sort_keys(network)))
    is_inside = or_(observations.c.src_ip.in_(ends), observations.c.dst_ip.in_(ends))
    gone["observations"] += _forget_identified(database, is_inside)
    while True:
        with database.reading() as connection:
            within = hosts.c.address_key.between(*sort_keys(network))
            some = list(connection.execute(select(hosts.c.address).where(within).limit(_HOSTS_AT_ONCE)).scalars())
        if not some:
            break
        while removed := database.write(_forget_connections, some):
            gone["observations"] += removed
        gone += database.write(_forget_hosts, some)
    if network.num_addresses <= _MOST_ADDRESSES:
        # What was looked up without a host, as by `cobalt geolocate --ip`.
        addresses = map(str, network)
        while some := list(islice(addresses, _ADDRESSES_AT_ONCE)):
            gone += database.write(_forget_hosts, some)
    gone += _forget_unseen_certificates(database)
    gone += database.write(_forget_first_scans, network)
    return gone + _forget_rejects(database, network) + _forget_alerts(database, network)


def forget_source(database: Database, source_id: int) -> Counter[str]:
    """Delete the records and rejects of a source; the source, its checkpoint and its counts stay.

    Args:
        database: the ledger.
        source_id: the source.

    Returns:
        How many rows of each table went.

    """
    gone: Counter[str] = Counter()
    is_of_source = observations.c.source_id == source_id
    gone["observations"] += _forget_identified(database, is_of_source)
    after: old_rows.Key | None = None
    while True:
        removed, after = database.write(_forget_following, is_of_source, after)
        gone["observations"] += removed
        if after is None:
            break
    for table in (discoveries, rejects):
        while removed := database.write(_forget_some, table, source_id):
            gone[table.name] += removed
    return +gone


def sources_named(database: Database, name: str) -> list[int]:
    """Return the ids of the generations of the source called `name` in `database`."""
    with database.reading() as connection:
        return list(connection.execute(select(sources.c.id).where(sources.c.name == name)).scalars())


def _forget_identified(database: Database, condition: ColumnElement[bool]) -> int:
    """Delete the connections that meet a condition and have an identity, with it: else their lines, read again, would be
    duplicates. Return how many.
    """
    gone, after = 0, None
    while True:
        removed, after = database.write(_forget_following_identified, condition, after)
        gone += removed
        if after is None:
            return gone


def _forget_following_identified(
    connection: Connection, condition: ColumnElement[bool], after: old_rows.Key | None
) -> tuple[int, old_rows.Key | None]:
    keys = old_rows.next_keys(connection, identities, after, _LOOKED_THROUGH)
    if not keys:
        return 0, None
    same = observations.c.id == identities.c.observation_id
    piece = identities.c.key.between(keys[0].key, keys[-1].key)
    chosen = select(identities.c.key, observations.c.id).join(observations, same).where(piece, condition)
    found = connection.execute(chosen).all()
    connection.execute(delete(identities).where(among(connection, identities.c.key, [row.key for row in found])))
    connection.execute(delete(observations).where(among(connection, observations.c.id, [row.id for row in found])))
    return len(found), tuple(keys[-1])


def _forget_following(
    connection: Connection, condition: ColumnElement[bool], after: old_rows.Key | None
) -> tuple[int, old_rows.Key | None]:
    """Delete those of the next connections that meet a condition; return (how many, the key of the last looked at)."""
    keys = old_rows.next_keys(connection, observations, after, _LOOKED_THROUGH)
    if not keys:
        return 0, None
    span = old_rows.within(observations, tuple(keys[0]), tuple(keys[-1]))
    return connection.execute(delete(observations).where(span, condition)).rowcount, tuple(keys[-1])


def _forget_connections(connection: Connection, addresses: Sequence[str]) -> int:
    either = or_(
        one_of(connection, observations.c.src_ip, addresses), one_of(connection, observations.c.dst_ip, addresses)
    )
    ids = list(connection.execute(select(observations.c.id).where(either).limit(_ROWS_AT_ONCE)).scalars())
    if ids:
        connection.execute(delete(observations).where(among(connection, observations.c.id, ids)))
    return len(ids)


def _forget_hosts(connection: Connection, addresses: Sequence[str]) -> Counter[str]:
    gone: Counter[str] = Counter()
    for table in (*_BY_ADDRESS, hosts):
        done = connection.execute(delete(table).where(one_of(connection, table.c.address, addresses)))
        gone[table.name] += done.rowcount
    # The source comes first in their key.
    of_all = discoveries.c.source_id.in_(select(sources.c.id))
    done = connection.execute(delete(discoveries).where(of_all, one_of(connection, discoveries.c.address, addresses)))
    gone["discoveries"] += done.rowcount
    return +gone


def _forget_unseen_certificates(database: Database) -> Counter[str]:
    """Delete certificates that are seen on no port any more."""
    unseen = ~select(sightings.c.fingerprint).where(sightings.c.fingerprint == certificates.c.fingerprint).exists()
    gone: Counter[str] = Counter()
    while True:
        with database.reading() as connection:
            some = list(
                connection.execute(select(certificates.c.fingerprint).where(unseen).limit(_ROWS_AT_ONCE)).scalars()
            )
        if not some:
            return gone
        gone["certificates"] += database.write(_forget_certificates, some)


def _forget_certificates(connection: Connection, fingerprints: Sequence[str]) -> int:
    connection.execute(
        delete(certificate_names).where(one_of(connection, certificate_names.c.fingerprint, fingerprints))
    )
    some = one_of(connection, certificates.c.fingerprint, fingerprints)
    return connection.execute(delete(certificates).where(some)).rowcount


def _forget_rejects(database: Database, network: Network) -> Counter[str]:
    """Delete the refused lines that name an address of a network."""
    gone, after = 0, 0
    while True:
        with database.reading() as connection:
            following = select(rejects.c.id, rejects.c.line).where(rejects.c.id > after).order_by(rejects.c.id)
            rows = connection.execute(following.limit(_ROWS_AT_ONCE)).all()
        if not rows:
            return +Counter({"rejects": gone})
        after = rows[-1].id
        if named := [row.id for row in rows if _names(row.line, network)]:
            gone += database.write(_forget_rows, named)


def _forget_rows(connection: Connection, ids: Sequence[int]) -> int:
    return connection.execute(delete(rejects).where(among(connection, rejects.c.id, ids))).rowcount


def _forget_first_scans(connection: Connection, network: Network) -> Counter[str]:
    """Delete that networks within a `network` were scanned: their next scan is their first."""
    known = connection.execute(select(scanned_networks.c.network)).scalars()
    parts = [text for text in known if _is_part(text, network)]
    connection.execute(delete(scanned_networks).where(one_of(connection, scanned_networks.c.network, parts)))
    return +Counter({"scanned_networks": len(parts)})


def _is_part(text: str, network: Network) -> bool:
    part = ip_network(text)
    return part.version == network.version and part.subnet_of(network)  # type: ignore[arg-type]


def _forget_alerts(database: Database, network: Network) -> Counter[str]:
    """Delete what messages, sent or waiting, list of the hosts of a network."""
    gone, after = 0, 0
    while True:
        with database.reading() as connection:
            following = select(alerts.c.id).where(alerts.c.id > after).order_by(alerts.c.id)
            ids = list(connection.execute(following.limit(_HOSTS_AT_ONCE)).scalars())
        if not ids:
            return +Counter({"alerts": gone})
        after = ids[-1]
        gone += database.write(_forget_items, ids, network)


def _forget_items(connection: Connection, ids: Sequence[int], network: Network) -> int:
    """Delete the items about a network from the messages `ids`; return how many messages had some."""
    columns = (alerts.c.id, alerts.c["count"], alerts.c["items"])
    chosen = select(*columns).where(among(connection, alerts.c.id, ids)).with_for_update()
    changed = 0
    for number, count, text in connection.execute(chosen).all():
        items = msgspec.json.decode(text)
        rest = [each for each in items if not _is_about(each.get("address"), network)]
        if len(rest) == len(items):
            continue
        left = count - len(items) + len(rest)
        values = {"count": left, "items": msgspec.json.encode(rest).decode()}
        this = alerts.c.id == number
        connection.execute(update(alerts).where(this).values(values) if left else delete(alerts).where(this))
        changed += 1
    return changed


def _is_about(address: str | None, network: Network) -> bool:
    return bool(address) and ip_address(str(address)) in network


def _names(line: bytes, network: Network) -> bool:
    for match in _ADDRESS.finditer(line.decode("utf-8", "replace")):
        address = canonical(match[0].rstrip(".:"))
        if address is not None and ip_address(address) in network:
            return True
    return False


def _forget_some(connection: Connection, table: Table, source_id: int) -> int:
    key = tuple(table.primary_key)
    some = select(*key).where(table.c.source_id == source_id).limit(_ROWS_AT_ONCE)
    return connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
