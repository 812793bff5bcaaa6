"""The texts that are searched: words of hosts and ports, versions that can be compared, and names of certificates.

Versions and names are written with the fact. The words of a host are gathered later, by `index`, from a queue that the
writers of facts fill: a full text index would slow them down.
"""

import re
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Text, delete, func, insert, select, true

from cobalt_tasks.core.records import Certificate
from cobalt_tasks.db.bulk import among, encode, insert_into, one_of, rows_of
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import certificates, hostnames, locations, ports, sightings
from cobalt_tasks.db.tables.search import certificate_names, search_queue, search_texts, versions

_WORD: Final = re.compile(r"[^\W_]+")
_PART: Final = re.compile(r"[0-9]+|[^\W\d_]+")
_LONGEST_WORD: Final = 64
_LONGEST_VERSION: Final = 200
_MOST_WORDS: Final = 2000
"""Words of one text. PostgreSQL remembers no more than 16,383 positions."""

_HOSTS_AT_ONCE: Final = 250
_INDEX_SECONDS: Final = 2.0

Texts = dict[tuple[str, str, int], str]
"""Words by address, protocol and port; '' and 0 for those of the host itself."""


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: runs of letters and digits, each cut after 64 characters."""
    return [word[:_LONGEST_WORD] for word in _WORD.findall(text.lower())]


def version_key(version: str) -> str:
    """Return a text in whose order versions are compared: numbers by value, before them words."""
    return " ".join(map(_part_key, _PART.findall(version[:_LONGEST_VERSION].lower())))


def _part_key(part: str) -> str:
    if not part.isascii() or not part.isdigit():
        return "1" + part
    digits = part.lstrip("0") or "0"
    return f"2{len(digits):03}{digits}"


# Written with the fact ---------------------------------------------------------------------------------------------


def add_versions(connection: Connection, found: Iterable[str | None]) -> None:
    """Add the `found` versions of products to those that can be compared; None is no version."""
    rows = [{"version": each, "sort_key": version_key(each)} for each in sorted({each for each in found if each})]
    if rows:
        connection.execute(insert_into(connection, versions).on_conflict_do_nothing(), rows)


def add_certificate_names(connection: Connection, found: Iterable[Certificate]) -> None:
    """Add the names of the `found` certificates, each by itself."""
    names = sorted({(each.fingerprint, name.lower()) for each in found for name in each.names})
    if names:
        rows = [{"fingerprint": fingerprint, "name": name, "reversed": name[::-1]} for fingerprint, name in names]
        connection.execute(insert_into(connection, certificate_names).on_conflict_do_nothing(), rows)


def enqueue(connection: Connection, addresses: Collection[str]) -> None:
    """Remember that the texts of the hosts with these `addresses` may have changed."""
    if addresses:
        new = rows_of(connection, "new", {"address": Text()})
        statement = insert(search_queue).from_select(["address"], select(new.c.address).where(true()))
        connection.execute(statement, encode([address] for address in sorted(addresses)))


# Written later -----------------------------------------------------------------------------------------------------


def index(database: Database, seconds: float = _INDEX_SECONDS) -> int:
    """Gather the words of hosts in the queue of `database` for about `seconds`, in small transactions; return how many hosts."""
    deadline, total = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        with database.reading() as connection:
            oldest = select(search_queue.c.id, search_queue.c.address).order_by(search_queue.c.id)
            queued = connection.execute(oldest.limit(_HOSTS_AT_ONCE)).all()
            # Read after the queue: what is committed later adds to the queue again.
            gathered = _gather(connection, sorted({row.address for row in queued}))
        if not queued:
            break
        database.write(_store, [row.id for row in queued], {row.address for row in queued}, gathered)
        total += len(queued)
    return total


def _gather(connection: Connection, addresses: Sequence[str]) -> Texts:
    parts: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    where = (locations.c.country_name, locations.c.city, locations.c.organisation, locations.c.isp)
    _collect(connection, parts, select(locations.c.address, *where), addresses)
    _collect(connection, parts, select(hostnames.c.address, hostnames.c.name).distinct(), addresses)
    what = (ports.c.service, ports.c.product, ports.c.version, ports.c.banner)
    _collect(connection, parts, select(ports.c.address, ports.c.protocol, ports.c.port, *what), addresses, key=3)
    seen = (sightings.c.address, sightings.c.protocol, sightings.c.port)
    certificate = (certificates.c.subject, certificates.c.names)
    chosen = (
        select(*seen, *certificate)
        .distinct()
        .join_from(sightings, certificates, certificates.c.fingerprint == sightings.c.fingerprint)
    )
    _collect(connection, parts, chosen, addresses, key=3)
    found = {key: " ".join(words(" ".join(texts))[:_MOST_WORDS]) for key, texts in parts.items()}
    return {key: text for key, text in found.items() if text}


def _collect(
    connection: Connection,
    parts: dict[tuple[str, str, int], list[str]],
    chosen: Any,
    addresses: Sequence[str],
    key: int = 1,
) -> None:
    """Add the texts of selected rows to `parts`; the first `key` columns are the address, or the port too."""
    first = chosen.selected_columns[0]
    for row in connection.execute(chosen.where(one_of(connection, first, addresses))):
        of = tuple(row[:3]) if key > 1 else (row[0], "", 0)
        parts[of] += [text for text in row[key:] if text]


def _store(connection: Connection, ids: Sequence[int], addresses: set[str], gathered: Texts) -> None:
    known = select(search_texts.c.id, *(search_texts.c[name] for name in ("address", "protocol", "port", "body")))
    rows = connection.execute(known.where(one_of(connection, search_texts.c.address, sorted(addresses)))).all()
    old = {(row.address, row.protocol, row.port): row for row in rows}
    if gone := [row.id for key, row in old.items() if key not in gathered]:
        connection.execute(delete(search_texts).where(among(connection, search_texts.c.id, gone)))
    changed = [
        {"address": address, "protocol": protocol, "port": port, "body": body}
        for (address, protocol, port), body in sorted(gathered.items())
        if (address, protocol, port) not in old or old[address, protocol, port].body != body
    ]
    if changed:
        new = insert_into(connection, search_texts)
        key = ["address", "protocol", "port"]
        connection.execute(new.on_conflict_do_update(index_elements=key, set_={"body": new.excluded.body}), changed)
    connection.execute(delete(search_queue).where(among(connection, search_queue.c.id, ids)))


def queued(connection: Connection) -> int:
    """Return how many entries the queue has, counting no further than 100,000."""
    few = select(search_queue.c.id).limit(100_000).subquery()
    return connection.execute(select(func.count()).select_from(few)).scalar_one()
