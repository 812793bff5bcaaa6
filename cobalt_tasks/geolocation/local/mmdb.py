"""The provider `mmdb`: look-ups in the databases on this machine. It has no quota, and is first by default."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import maxminddb
import msgspec

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.core.providers import LOCAL
from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.local import layouts
from cobalt_tasks.geolocation.local.asn_table import AsnTable
from cobalt_tasks.geolocation.local.manifest import ROLES, Installed, Manifest, Role, load, signature
from cobalt_tasks.geolocation.location import combined, location_of, raw_text

log = logging.getLogger(__name__)

_FALLBACK: Final = "country"


class _Source(NamedTuple):
    """An open database, and which of its files answer for which family."""

    role: Role
    title: str
    built: float
    fours: "list[maxminddb.Reader | AsnTable]"
    sixes: "list[maxminddb.Reader | AsnTable]"


class Report(NamedTuple):
    """What one local database reports of an address.

    Attributes:
        role: what the database is for.
        name: the source, `mmdb:<title>`.
        title: the title of the database.
        built: its build time, epoch seconds.
        location: the report.
        record: the record as it is in the file.

    """

    role: Role
    name: str
    title: str
    built: float
    location: Location
    record: object


class LocalDatabases:
    """The databases of a folder: opened at the first `refresh`, and again when they were replaced. For one thread."""

    def __init__(self, folder: Path, *, checked: bool = False) -> None:
        """Open nothing yet.

        Args:
            folder: holds the databases and their manifest.
            checked: compare each file with its digest when it is opened. The reader written in C may end the process
                over a damaged file, so a process that lives long checks.

        """
        self._folder = folder
        self._checked = checked
        self._signature: tuple[int, int, int] | None = None
        self._sources: list[_Source] = []
        self.manifest = Manifest()

    def refresh(self) -> bool:
        """Open what is new since the last call; return whether there is any database."""
        found = signature(self._folder)
        if found != self._signature:
            self._signature = found
            self._open()
        return bool(self._sources)

    @property
    def built(self) -> float | None:
        """The build time of the first database that is asked; None without a database."""
        return self._sources[0].built if self._sources else None

    def locate(self, address: str, now: float) -> Location | None:
        """Return the location of an address, combined from all databases; None if none of them knows it.

        Args:
            address: canonical.
            now: epoch seconds, stored with the location.

        """
        return self.located(address, self.look_up(address), now)

    def located(self, address: str, reports: Sequence[Report], now: float) -> Location | None:
        """Return the location that reports of `look_up` amount to; None if they name no place.

        Args:
            address: canonical.
            reports: of this address.
            now: epoch seconds, stored with the location.

        """
        if not any(each.location.is_located for each in reports):
            return None
        first, *others = reports
        located = combined(
            address,
            [(LOCAL, first.location), *((each.name, each.location) for each in others)],
            fetched_at=now,
            database_built=first.built,
        )
        raw = raw_text({each.title: each.record for each in reports})
        return msgspec.structs.replace(located, raw=raw)

    def look_up(self, address: str) -> list[Report]:
        """Return what each database reports of an address; a country database only if no other names a place."""
        found: list[Report] = []
        is_located = False
        for source in self._sources:
            if is_located and source.role == _FALLBACK:
                continue
            record = self._record(source.sixes if ":" in address else source.fours, address)
            if record is not None:
                location = _network(*record) if isinstance(record, tuple) else layouts.read(record)
                is_located = is_located or location.is_located
                name = f"{LOCAL}:{source.title}"
                found.append(Report(source.role, name, source.title, source.built, location, record))
        return found

    def _record(self, readers: "list[maxminddb.Reader | AsnTable]", address: str) -> Any:
        for reader in readers:
            try:
                record: Any = reader.get(address)
            except maxminddb.InvalidDatabaseError as error:
                log.warning("a geolocation database is damaged, run `cobalt geodb update`: %s", error)
                continue
            if record is not None:
                return record
        return None

    def _open(self) -> None:
        try:
            self.manifest = load(self._folder)
        except GeodbError as error:
            log.warning("no local geolocation: %s", error)
            self.manifest = Manifest()
        databases = [found for role in ROLES if (found := self.manifest.of(role))]
        self._sources = [source for each in databases if (source := self._source(each))]
        if old := [each for each in databases if each.is_old()]:
            oldest = max(old, key=Installed.age_days)
            message = "%d local geolocation database(s) are old (%s: %.0f days): run `cobalt geodb update`"
            log.warning(message, len(old), oldest.title, oldest.age_days())

    def _source(self, database: Installed) -> _Source | None:
        fours: list[maxminddb.Reader | AsnTable] = []
        sixes: list[maxminddb.Reader | AsnTable] = []
        for file in database.files:
            try:
                if self._checked:
                    file.check(self._folder)
                reader = open_file(self._folder / file.name)
            except (OSError, GeodbError) as error:
                log.warning("a geolocation database cannot be opened, run `cobalt geodb update`: %s", error)
                continue
            if isinstance(reader, AsnTable) or reader.metadata().ip_version != 4:  # noqa: PLR2004
                sixes.append(reader)
            fours.append(reader)
        # A file of IPv4 only answers for IPv4 before one that merely could.
        fours.sort(key=lambda reader: reader in sixes)
        return _Source(database.role, database.title, database.built, fours, sixes) if fours else None


@lru_cache(4096)
def _network(number: int, name: str) -> Location:
    return location_of(asn=number, organisation=name)


def open_file(path: Path) -> "maxminddb.Reader | AsnTable":
    """Open one database file, of either kind, with the reader written in C.

    Raises:
        GeodbError: it is no database.
        OSError: it cannot be read.

    """
    if path.suffix == ".asn":
        return AsnTable(path)
    try:
        return maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT)
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise GeodbError(f"{path.name} is no database in MaxMind's format: {error}") from error
