"""Installs geolocation databases: downloaded ones, or files the user names."""

import gzip
import hashlib
import itertools
import tarfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.core.installation import exclusive_update
from cobalt_tasks.core.text import printable
from cobalt_tasks.geolocation.local.asn_table import AsnTable, compile_table
from cobalt_tasks.geolocation.local.download import (
    LARGEST_FILE,
    SOURCES,
    Fetched,
    Progress,
    SourceFailedError,
    copy_member,
)
from cobalt_tasks.geolocation.local.manifest import ROLES, File, Installed, Manifest, Publication, Role, load, save
from cobalt_tasks.geolocation.local.walk import MARKER, TAIL, Inspected, inspect_files

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


def update(folder: Path, sources: Sequence[str], progress: Progress) -> Manifest:
    """Download a city, a network and a country database, each from the first source that has it, and replace the old ones.

    Args:
        folder: the folder of the databases.
        sources: names of sources in order of preference; empty for all.
        progress: called with lines of text.

    Raises:
        GeodbError: nothing could be fetched; the old databases stay.

    """
    reasons: dict[str, str] = {}
    gone: set[str] = set()
    with exclusive_update(folder, GeodbError, "the geolocation databases") as temporary:
        installed = 0
        for role in ROLES:
            for name in sources or tuple(SOURCES):
                if name in gone:
                    continue
                progress(f"{role}: asking {name} …")
                try:
                    fetched = SOURCES[name](role, temporary, progress)
                    _install(folder, temporary, fetched, _inspected(fetched.files, progress))
                except (SourceFailedError, GeodbError) as error:
                    progress(f"{role}: {name}: {error}")
                    reasons[name] = str(error)
                    if isinstance(error, SourceFailedError) and error.gone:
                        gone.add(name)
                else:
                    installed += 1
                    break
        if not installed:
            listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
            raise GeodbError(f"no geolocation database could be fetched ({listed})")
        return load(folder)


def add(folder: Path, files: Sequence[Path], progress: Progress) -> Manifest:
    """Install databases from files. Files for the same use (an IPv4 and an IPv6 file) make one database together.

    Args:
        folder: the folder of the databases.
        files: .mmdb, .mmdb.gz, a .tar.gz that has one, or a list of networks as .csv.
        progress: called with lines of text.

    Raises:
        GeodbError: a file is none of these; nothing is replaced then.

    """
    with exclusive_update(folder, GeodbError, "the geolocation databases") as temporary:
        groups: dict[Role, list[tuple[Path, Path]]] = {}
        copies = [_unpacked(file, temporary, index) for index, file in enumerate(files)]
        for copy in copies:
            _require_known(copy)
        inspected = _inspected(copies, progress)
        for file, copy in zip(files, copies, strict=True):
            groups.setdefault(_role(copy, inspected), []).append((file, copy))
        for role, members in groups.items():
            title, licence = _described(inspected.get(members[0][1]), members[0][0])
            source = Publication(name=", ".join(str(file.absolute()) for file, _ in members), licence=licence)
            paths = tuple(unpacked for _, unpacked in members)
            # A list of networks has no build time; the date of its file is the best known.
            built = min(file.stat().st_mtime for file, _ in members)
            fetched = Fetched(role=role, title=title, source=source, files=paths, built=built)
            _install(folder, temporary, fetched, inspected)
            progress(f"{role}: {title} from {source.name}")
        return load(folder)


def _install(folder: Path, temporary: Path, fetched: Fetched, inspected: Mapping[Path, Inspected]) -> None:
    """Move files that were walked to names made of their content, and name them in the manifest."""
    tables = [path for path in fetched.files if path.suffix == ".csv"]
    ready = [path for path in fetched.files if path.suffix != ".csv"]
    times = [inspected[path].built for path in ready]
    if tables:
        table = temporary / f"{fetched.title}.asn"
        times.append(fetched.built or time.time())
        _compile(tables, table, times[-1])
        ready.append(table)
    files = []
    for path in ready:
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        name = f"{path.stem}-{digest[:12]}{path.suffix}"
        files.append(File(name=name, sha256=digest, size=path.stat().st_size))
        path.replace(folder / name)
    new = Installed(
        role=fetched.role,
        title=fetched.title,
        source=fetched.source,
        built=min(times),
        fetched_at=time.time(),
        files=tuple(files),
    )
    save(folder, load(folder).with_database(new))


def _inspected(files: Sequence[Path], progress: Progress) -> dict[Path, Inspected]:
    """Walk the databases among some files."""
    return inspect_files([path for path in files if path.suffix != ".csv"], progress)


def _compile(tables: Sequence[Path], target: Path, built: float) -> None:
    try:
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open(encoding="utf-8", newline="")) for path in tables]
            with target.open("wb") as file:
                compile_table(itertools.chain.from_iterable(opened), file, built)
    except UnicodeDecodeError as error:
        raise GeodbError(f"the list of networks is not UTF-8: {error}") from error
    AsnTable(target)


def _unpacked(file: Path, temporary: Path, index: int) -> Path:
    """Return a database file of our own, unpacked."""
    target = temporary / str(index)
    target.mkdir()
    try:
        with file.open("rb") as opened:
            packed = opened.read(2) == _GZIP
        if packed and tarfile.is_tarfile(file):
            return _from_archive(file, target)
        name = file.name.removesuffix(".gz") if packed else file.name
        copy = target / name
        with gzip.open(file) if packed else file.open("rb") as opened, copy.open("wb") as written:
            _copy(opened.read, written.write, file)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise GeodbError(f"{file} cannot be read: {error}") from error
    return copy


def _from_archive(file: Path, target: Path) -> Path:
    with tarfile.open(file) as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and name.endswith((".mmdb", ".csv")) and member.size <= LARGEST_FILE:
                copy_member(archive, member, target / name)
                return target / name
    raise GeodbError(f"{file} holds no .mmdb and no .csv file")


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int], file: Path) -> None:
    size = 0
    while chunk := read(_CHUNK):
        size += write(chunk)
        if size > LARGEST_FILE:
            raise GeodbError(f"{file} is larger than any database")


def _require_known(file: Path) -> None:
    if file.suffix == ".csv":
        return
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - TAIL))
        if MARKER not in opened.read():
            raise GeodbError(f"{file.name} is no database: use .mmdb, .mmdb.gz, .tar.gz, or a .csv of networks")


def _role(file: Path, inspected: Mapping[Path, Inspected]) -> Role:
    if file not in inspected:
        return "asn"
    kind = inspected[file].kind
    for word, role in (
        ("city", "city"),
        ("enterprise", "city"),
        ("country", "country"),
        ("asn", "asn"),
        ("isp", "asn"),
    ):
        if word in kind.lower():
            return role  # type: ignore[return-value]
    raise GeodbError(f"{file.name} is a database of the type {kind[:100]!r}: none of city, country and asn")


def _described(found: Inspected | None, named: Path) -> tuple[str, str]:
    """Return the title of a user's database, and its licence if its type implies one."""
    kind = printable(found.kind.encode("utf-8", "replace"))[:100] if found else ""
    if kind.startswith("GeoLite2"):
        return kind, "MaxMind GeoLite2 EULA"
    if kind.startswith("DBIP"):
        return kind.split(" ", 1)[0], "DB-IP, CC BY 4.0 for the Lite editions"
    return named.name.split(".", 1)[0], "not known: a file of your own"
