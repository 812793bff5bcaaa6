"""The names a probe asks a host for: in the TLS handshake (SNI) and in the Host header."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, case, func, or_, select

from cobalt_tasks.core.text import hostname
from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.tables import hostnames

MOST_NAMES: Final = 3
"""Names of one host that a probe uses at most."""

_ORDER: Final = {"ptr": 1, "certificate": 2, "redirect": 3}
"""Where names come from, the more reliable first; those of scans come before redirects, which may lead elsewhere."""

_OTHERS: Final = 2


def names_of(connection: Connection, addresses: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return up to MOST_NAMES names of each of the hosts with these `addresses` that has any, forward-confirmed ones first.

    A name that is known not to resolve back to the host is left out.
    """
    order = case(
        (hostnames.c.confirmed.is_(True), 0),
        *((hostnames.c.source == source, place) for source, place in _ORDER.items()),
        else_=_OTHERS,
    )
    per_name = (
        select(hostnames.c.address, hostnames.c.name, func.min(order).label("place"))
        .where(
            one_of(connection, hostnames.c.address, sorted(set(addresses))),
            hostnames.c.gone_since.is_(None),
            or_(hostnames.c.confirmed.is_(None), hostnames.c.confirmed.is_(True)),
        )
        .group_by(hostnames.c.address, hostnames.c.name)
        .subquery()
    )
    number = func.row_number().over(
        partition_by=per_name.c.address, order_by=(per_name.c.place, func.length(per_name.c.name), per_name.c.name)
    )
    ranked = select(per_name.c.address, per_name.c.name, number.label("number")).subquery()
    rows = connection.execute(
        select(ranked.c.address, ranked.c.name).where(ranked.c.number <= MOST_NAMES).order_by(ranked.c.number)
    )
    found: dict[str, tuple[str, ...]] = {}
    for address, name in rows:
        if hostname(name):
            found[address] = (*found.get(address, ()), name)
    return found
