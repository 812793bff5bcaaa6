"""What a search shows of the rows it found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, FromClause, Integer, Text, and_, select

from cobalt_tasks.db.bulk import encode, rows_of
from cobalt_tasks.db.tables import certificates, ports, sightings
from cobalt_tasks.hosts import connections, queries
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Key

Row = dict[str, Any]

_PORT: Final = (
    *("address", "protocol", "port", "service", "product", "version", "banner"),
    *("unconfirmed_since", "closed_since", "seen_in_traffic", "first_seen", "last_seen"),
)
_SEEN: Final = ("address", "protocol", "port", "source", "first_seen", "last_seen")
_CERTIFICATE: Final = ("fingerprint", "subject", "issuer", "serial", "not_before", "not_after", "self_signed", "names")


def rows(connection: Connection, target: Searchable, keys: Sequence[Key]) -> list[Row]:
    """Return what is shown of rows of `target`, in the order of their `keys`; a row that is gone meanwhile is left out."""
    return _READERS[target](connection, keys) if keys else []


def _hosts(connection: Connection, keys: Sequence[Key]) -> list[Row]:
    return queries.rows_of(connection, [address for _, address in keys])


def _connections(connection: Connection, keys: Sequence[Key]) -> list[Row]:
    return connections.by_ids(connection, [key[0] for key in keys])


def _ports(connection: Connection, keys: Sequence[Key]) -> list[Row]:
    wanted = _wanted(connection)
    chosen = select(*(ports.c[name] for name in _PORT)).join_from(wanted, ports, _same(wanted, ports))
    return _read(connection, chosen, keys)


def _certificates(connection: Connection, keys: Sequence[Key]) -> list[Row]:
    wanted = _wanted(connection)
    same = and_(
        _same(wanted, sightings),
        sightings.c.fingerprint == wanted.c.fingerprint,
        sightings.c.source == wanted.c.source,
    )
    chosen = (
        select(*(sightings.c[name] for name in _SEEN), *(certificates.c[name] for name in _CERTIFICATE))
        .join_from(wanted, sightings, same)
        .join(certificates, certificates.c.fingerprint == sightings.c.fingerprint)
    )
    return [{**row, "names": msgspec.json.decode(row["names"])} for row in _read(connection, chosen, keys)]


def _wanted(connection: Connection) -> FromClause:
    texts = ("address", "protocol", "fingerprint", "source")
    columns = {
        name: Text() if name in texts else Integer()
        for name in ("address", "protocol", "port", "fingerprint", "source")
    }
    return rows_of(connection, "wanted", columns)


def _same(wanted: FromClause, table: FromClause) -> Any:
    return and_(*(table.c[name] == wanted.c[name] for name in ("address", "protocol", "port")))


def _read(connection: Connection, chosen: Any, keys: Sequence[Key]) -> list[Row]:
    names = ("address", "protocol", "port", "fingerprint", "source")[: len(keys[0])]
    parameters = encode([*key, *[None] * (5 - len(key))] for key in keys)
    found = {tuple(row[name] for name in names): dict(row) for row in connection.execute(chosen, parameters).mappings()}
    return [found[key] for key in keys if key in found]


_READERS: Final[Mapping[Searchable, Callable[[Connection, Sequence[Key]], list[Row]]]] = {
    Searchable.HOSTS: _hosts,
    Searchable.PORTS: _ports,
    Searchable.CONNECTIONS: _connections,
    Searchable.CERTIFICATES: _certificates,
}
