"""What differs between what was known of hosts and what is reported now: their services, names and certificates."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from cryptography import x509 as cryptography_x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import BigInteger, Connection, Text, and_, select

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.db import bulk
from cobalt_tasks.db.tables import certificates, hostnames, hosts, sightings

Key = tuple[Any, ...]

_TARGET: Final[bulk.Columns] = {"address": Text(), "protocol": Text(), "port": BigInteger()}


def of_service(
    target: tuple[str, str, int], at: float, old: Sequence[str | None], new: Sequence[str | None]
) -> Change | None:
    """Return the change of what runs on a port, None where nothing differs or only more or less is known.

    target: address, protocol, port; at: epoch seconds; old, new: service, product, version.
    """
    kinds = (ChangeKind.SERVICE_CHANGED, ChangeKind.PRODUCT_CHANGED, ChangeKind.VERSION_CHANGED)
    for kind, one, other in zip(kinds, old, new, strict=True):
        if one is None or other is None or one.casefold() == other.casefold():
            continue
        address, protocol, port = target
        before, after = (" ".join(filter(None, each)) for each in (old, new))
        return Change(kind=kind, address=address, protocol=protocol, port=port, observed_at=at, old=before, new=after)
    return None


def of_names(connection: Connection, new: Sequence[Key]) -> list[Change]:
    """Return the names that hosts have beside others of the same source; the first ones belong to what was found first.

    new: (address, name, source) of the rows of `hostnames` that this transaction inserted.
    """
    if not new:
        return []
    addresses = sorted({address for address, *_ in new})
    scanned = select(hosts.c.address).where(bulk.one_of(connection, hosts.c.address, addresses), hosts.c.discovered)
    found = sorted(connection.execute(scanned).scalars())
    if not found:
        return []
    columns = (hostnames.c.address, hostnames.c.name, hostnames.c.source, hostnames.c.last_seen)
    rows = connection.execute(select(*columns).where(bulk.one_of(connection, hostnames.c.address, found))).all()
    inserted = set(new)
    before = [row for row in rows if tuple(row[:3]) not in inserted]
    names = {(row.address, row.name) for row in before}
    sources = {(row.address, row.source) for row in before}
    added = {
        (row.address, row.name): row.last_seen
        for row in rows
        if tuple(row[:3]) in inserted and (row.address, row.source) in sources and (row.address, row.name) not in names
    }
    return [
        Change(kind=ChangeKind.NAME_ADDED, address=address, observed_at=at, new=name)
        for (address, name), at in sorted(added.items())
    ]


def of_certificates(connection: Connection, new: Sequence[Key]) -> list[Change]:
    """Return the ports where a certificate is new that shares a name and the type of its key with the one before.

    A certificate that was seen there before is none: a server farm may have several at one time.
    new: (address, protocol, port, fingerprint, source) of the rows of `sightings` that this transaction inserted.
    """
    if not new:
        return []
    targets = sorted({each[:3] for each in new})
    wanted = bulk.rows_of(connection, "wanted", _TARGET)
    same = and_(*(sightings.c[name] == wanted.c[name] for name in _TARGET))
    columns = [*(sightings.c[name] for name in ("address", "protocol", "port", "fingerprint", "source", "last_seen"))]
    chosen = select(*columns).join(wanted, same)
    inserted = set(new)
    before: dict[Key, dict[str, float]] = defaultdict(dict)
    after: dict[Key, dict[str, float]] = defaultdict(dict)
    for row in connection.execute(chosen, bulk.encode(targets)):
        side = after if tuple(row[:5]) in inserted else before
        seen = side[tuple(row[:3])]
        seen[row.fingerprint] = max(row.last_seen, seen.get(row.fingerprint, 0.0))
    changed = []
    for target in targets:
        fresh = {each: at for each, at in after[target].items() if each not in before[target]}
        for fingerprint, at in sorted(fresh.items()) if before[target] else ():
            older = [each for each, when in sorted(before[target].items(), key=lambda pair: -pair[1]) if when < at]
            changed += _certificate_change(connection, target, at, older, fingerprint)
    return changed


def _certificate_change(connection: Connection, target: Key, at: float, older: Sequence[str], new: str) -> list[Change]:
    wanted = bulk.one_of(connection, certificates.c.fingerprint, [*older, new])
    rows = {row.fingerprint: row for row in connection.execute(select(certificates).where(wanted))}
    if new not in rows:
        return []
    now = rows[new]
    for each in older:
        known = rows.get(each)
        if known is not None and _is_of_one(known, now):
            address, protocol, port = target
            return [
                Change(
                    kind=ChangeKind.CERTIFICATE_RENEWED if _is_renewal(known, now) else ChangeKind.CERTIFICATE_CHANGED,
                    address=address,
                    protocol=protocol,
                    port=port,
                    observed_at=at,
                    old=_described(known),
                    new=_described(now),
                )
            ]
    return []


def _is_of_one(one: Any, other: Any) -> bool:
    mine, theirs = (set(msgspec.json.decode(each.names)) or {each.subject} for each in (one, other))
    return bool(mine & theirs) and _key_type(one.der) == _key_type(other.der)


def _is_renewal(old: Any, new: Any) -> bool:
    """Return whether the `new` certificate has the names of the `old` one, and its key or its issuer."""
    if msgspec.json.decode(old.names) != msgspec.json.decode(new.names) or old.subject != new.subject:
        return False
    return bool(old.issuer == new.issuer) or (_public_key(old.der) == _public_key(new.der) != b"")


def _public_key(der: bytes) -> bytes:
    try:
        key = cryptography_x509.load_der_x509_certificate(der).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # noqa: BLE001  # a key of an unknown algorithm: libraries raise what they like
        return b""


def _key_type(der: bytes) -> str:
    try:
        return type(cryptography_x509.load_der_x509_certificate(der).public_key()).__name__
    except Exception:  # noqa: BLE001  # a key of an unknown algorithm: libraries raise what they like
        return ""


def _described(certificate: Any) -> str:
    return f"{certificate.subject}, serial {certificate.serial}"
