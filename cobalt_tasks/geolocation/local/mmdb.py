"""The provider `mmdb`: the databases on this machine. It knows no budget and is always asked first by default."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import maxminddb

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.local import layouts
from cobalt_tasks.geolocation.local.asn_table import AsnTable
from cobalt_tasks.geolocation.local.manifest import ROLES, Installed, Manifest, Role, load, signature
from cobalt_tasks.geolocation.place import Place, located, place_of, raw_text

NAME = "mmdb"

log = logging.getLogger(__name__)

_FALLBACK: Final = "country"


class _Source(NamedTuple):
    """An open database, and which of its files answer for which family."""

    role: Role
    title: str
    built: float
    fours: "list[maxminddb.Reader | AsnTable]"
    sixes: "list[maxminddb.Reader | AsnTable]"


class _Found(NamedTuple):
    source: _Source
    place: Place
    record: object


class LocalDatabases:
    """The databases of a folder, opened when first asked and again whenever they were replaced. Not for several threads."""

    def __init__(self, folder: Path, *, checked: bool = False) -> None:
        """Open nothing yet. `checked`: compare each file with its digest when it is opened.

        The reader written in C may end the whole process over a damaged file; who lives long takes the time to look.
        """
        self._folder = folder
        self._checked = checked
        self._signature: tuple[int, int, int] | None = None
        self._sources: list[_Source] = []
        self.manifest = Manifest()

    def refresh(self) -> bool:
        """Open what is new since the last call; tell whether there is any database."""
        found = signature(self._folder)
        if found != self._signature:
            self._signature = found
            self._open()
        return bool(self._sources)

    @property
    def built(self) -> float | None:
        """The build time of the first database that is asked."""
        return self._sources[0].built if self._sources else None

    def locate(self, address: str, now: float) -> Location | None:
        """Return where an address is, of all databases put together; None when none of them knows."""
        found = self._look_up(address)
        for each in found:
            if each.place.is_located:
                break
        else:
            return None
        first, *others = found
        said = [(NAME, first.place), *((f"{NAME}:{each.source.title}", each.place) for each in others)]
        raw = raw_text({each.source.title: each.record for each in found})
        return located(address, said, fetched_at=now, database_built=first.source.built, raw=raw)

    def said(self, address: str) -> list[tuple[str, Place]]:
        """Return what each database says about an address, to complete what somebody else does."""
        return [(f"{NAME}:{each.source.title}", each.place) for each in self._look_up(address)]

    def _look_up(self, address: str) -> list[_Found]:
        found: list[_Found] = []
        is_located = False
        for source in self._sources:
            if is_located and source.role == _FALLBACK:
                continue
            record = self._record(source.sixes if ":" in address else source.fours, address)
            if record is not None:
                place = _network(*record) if isinstance(record, tuple) else layouts.read(record)
                is_located = is_located or place.is_located
                found.append(_Found(source, place, record))
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
def _network(number: int, name: str) -> Place:
    return place_of(asn=number, organisation=name)


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
