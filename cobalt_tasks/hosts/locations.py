"""Where hosts are: written with what changed. A newer database that places hosts elsewhere is one change for all of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.core.records import Location
from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.tables import hosts, locations
from cobalt_tasks.db.upserts import upsert
from cobalt_tasks.hosts import updates

_PLACE: Final = ("country_code", "city")
_REPLACED: Final = tuple(column.name for column in locations.c if column.name != "address")


def write(connection: Connection, facts: Sequence[Location]) -> list[Change]:
    """Store locations (`facts`), the latest of each host; return what changed of hosts that a scan reported."""
    latest = {each.address: each for each in sorted(facts, key=lambda each: each.address)}
    if not latest:
        return []
    before = _before(connection, sorted(latest))
    upsert(connection, locations, [msgspec.structs.asdict(each) for each in latest.values()], replace=_REPLACED)
    found, updated = [], 0
    for address, new in latest.items():
        old = before.get(address)
        # Another provider that places a host elsewhere does not move it.
        if old is None or old.provider != new.provider:
            continue
        differences = [*_moved(old, new), *_renumbered(old, new)]
        if differences and new.database_built != old.database_built:
            updated += 1
        else:
            found += differences
    if updated:
        _add_to_update(connection, next(iter(latest.values())), updated)
    return found


def countries(connection: Connection, addresses: Sequence[str]) -> dict[str, Any]:
    """Return the rows (address, country_code, country_name) of those `addresses` whose country is known, by address."""
    if not addresses:
        return {}
    columns = (locations.c.address, locations.c.country_code, locations.c.country_name)
    # Without a condition on the country: PostgreSQL would look for it in the whole index of countries.
    chosen = select(*columns).where(one_of(connection, locations.c.address, addresses))
    return {row.address: row for row in connection.execute(chosen) if row.country_code is not None}


def _before(connection: Connection, addresses: Sequence[str]) -> dict[str, Any]:
    names = ("address", "provider", "database_built", *_PLACE, "asn", "organisation")
    chosen = select(*(locations.c[name] for name in names)).join(hosts, hosts.c.address == locations.c.address)
    rows = connection.execute(chosen.where(one_of(connection, locations.c.address, addresses), hosts.c.discovered))
    return {row.address: row for row in rows}


def _moved(old: Any, new: Location) -> list[Change]:
    places = [tuple(getattr(each, name) for name in _PLACE) for each in (old, new)]
    # To know more or less than before is no move.
    if all(one is None or other is None or one == other for one, other in zip(*places, strict=True)):
        return []
    return [_change(ChangeKind.LOCATION_CHANGED, new, *(", ".join(filter(None, reversed(each))) for each in places))]


def _renumbered(old: Any, new: Location) -> list[Change]:
    if old.asn is None or new.asn is None or old.asn == new.asn:
        return []
    names = [f"AS{each.asn} {each.organisation or ''}".strip() for each in (old, new)]
    return [_change(ChangeKind.NETWORK_CHANGED, new, *names)]


def _change(kind: ChangeKind, new: Location, before: str, after: str) -> Change:
    return Change(kind=kind, address=new.address, observed_at=new.fetched_at, old=before, new=after)


def _add_to_update(connection: Connection, new: Location, number: int) -> None:
    """Count `number` hosts in the change of the database that placed `new`."""
    built = datetime.fromtimestamp(new.database_built or 0.0, UTC).strftime("%Y-%m-%d")
    text = f"{new.provider} of {built}"
    change = Change(kind=ChangeKind.LOCATIONS_UPDATED, address="", observed_at=new.fetched_at, new=text)
    updates.add(connection, change, f"{new.provider} {built}", number)
