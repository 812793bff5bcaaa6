"""What differs between two scans, or two times: hosts, names, ports and services, as ndiff shows it."""

import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from cobalt_tasks.core.addresses import sort_key
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.core.text import printable
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import existing_ledger, open_ledger
from cobalt_tasks.hosts import snapshots
from cobalt_tasks.hosts.snapshots import Snapshot
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.store import sources
from cobalt_tasks.ingest.streams.files import FileStream
from cobalt_tasks.views import changes


class PortDifference(Struct, frozen=True, kw_only=True):
    """One port: `before` and `after` are what runs there, '' if that is unknown, None where it is not open."""

    protocol: str
    port: int
    before: str | None
    after: str | None


class HostDifference(Struct, frozen=True, kw_only=True):
    """One host: whether only one side has it, its names and ports that differ."""

    address: str
    change: str
    names_added: list[str]
    names_gone: list[str]
    ports: list[PortDifference]


def between(settings: Settings, first: str, second: str, report: Callable[[str], None]) -> list[HostDifference]:
    """Return what differs from one side to the other, by address.

    Args:
        settings: those of the ledger, which is not written.
        first: a file, a source of the ledger by number or name, or a time as `cobalt changes --since` takes it.
        second: the same; a time when the first is one.
        report: prints a line for people.

    Raises:
        ConfigurationError: a side is none of these, or only one is a time.

    """
    if Path(first).exists() and Path(second).exists():
        return differences(_of_file(settings, first, report), _of_file(settings, second, report))
    database = existing_ledger(settings)
    try:
        sides = [_of_side(settings, database, each, report) for each in (first, second)]
        if None not in sides:
            return differences(*(side for side in sides if side is not None))
        now = time.time()
        moments = [_moment(each, now) for each, side in zip((first, second), sides, strict=True) if side is None]
        if len(moments) == 1:
            raise ConfigurationError("name two files or sources, or two times: one of each cannot be compared")
        with database.reading() as connection:
            return differences(*snapshots.between(connection, *moments))
    finally:
        database.dispose()


def _of_side(settings: Settings, database: Database, name: str, report: Callable[[str], None]) -> Snapshot | None:
    """Return what a file or a source reported; None for what must be a time."""
    if Path(name).exists():
        return _of_file(settings, name, report)
    with database.reading() as connection:
        named = [each for each in sources.everything(connection) if name in {str(each.id), each.name}]
        return snapshots.of_source(connection, named[-1].id) if named else None


def _moment(given: str, now: float) -> float:
    try:
        return changes.moment(given, now)
    except ConfigurationError:
        raise ConfigurationError(
            f"{given!r} is no file, no source (cobalt sources list), and no time such as 24h or 2026-11-20"
        ) from None


def _of_file(settings: Settings, name: str, report: Callable[[str], None]) -> Snapshot:
    """Read a file into a ledger of its own, which is deleted: so every format is read as it is ingested."""
    with tempfile.TemporaryDirectory(prefix="cobalt-diff-") as folder:
        aside = msgspec.structs.replace(settings, database_url=f"sqlite:///{folder}/ledger.db")
        database = open_ledger(aside)
        try:
            with closing(FileStream(Path(name))) as stream:
                source = Pipeline(database, aside, report=report, sends=False).run(stream)
            if source.rejected:
                report(f"{name}: {source.rejected:,} of its records cannot be read and are left out")
            with database.reading() as connection:
                return snapshots.of_ledger(connection)
        finally:
            database.dispose()


def differences(before: Snapshot, after: Snapshot) -> list[HostDifference]:
    """Return what differs from the snapshot `before` to the snapshot `after`, by address."""
    ports: dict[str, list[PortDifference]] = {}
    for target in before.ports.keys() | after.ports.keys():
        one, other = before.ports.get(target), after.ports.get(target)
        if one != other:
            found = PortDifference(protocol=target[1], port=target[2], before=one, after=other)
            ports.setdefault(target[0], []).append(found)
    hosts = []
    for address in sorted(before.hosts.keys() | after.hosts.keys() | ports.keys(), key=sort_key):
        old, new = before.hosts.get(address), after.hosts.get(address)
        change = (
            "added" if old is None and new is not None else "gone" if new is None and old is not None else "changed"
        )
        added, gone = sorted((new or set()) - (old or set())), sorted((old or set()) - (new or set()))
        if address in ports or change != "changed" or added or gone:
            listed = sorted(ports.get(address, ()), key=lambda each: (each.protocol, each.port))
            hosts.append(
                HostDifference(address=address, change=change, names_added=added, names_gone=gone, ports=listed)
            )
    return hosts


def as_text(found: Iterable[HostDifference]) -> Iterable[str]:
    """Yield lines: `-` and what is only on the first side, `+` and what is only on the second."""
    for host in found:
        mark = {"added": "+", "gone": "-"}.get(host.change, " ")
        yield f"{mark}{host.address}"
        yield from (f"- name {printable(name.encode())}" for name in host.names_gone)
        yield from (f"+ name {printable(name.encode())}" for name in host.names_added)
        for each in host.ports:
            for sign, what in (("-", each.before), ("+", each.after)):
                if what is not None:
                    yield f"{sign} {each.port}/{each.protocol} open {printable(what.encode())}".rstrip()
