"""The manifest of the local databases, COBALT_HOME/geodb/manifest.json: their files, and where they came from.

Files are named by their content and never change; the manifest is replaced at once. So a reader sees either the old
set or the new one, and the manifest alone decides whether something is new.
"""

import time
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from cobalt_tasks.core import installation
from cobalt_tasks.core.errors import GeodbError

Role = Literal["city", "asn", "country"]
ROLES: Final[tuple[Role, ...]] = ("city", "asn", "country")
"""What a database is asked for, in this order: country is the fallback for what the city database leaves out."""

OLD_DAYS: Final = 30
_DAY: Final = 86400.0
_NAME: Final = "manifest.json"


class File(Struct, frozen=True, kw_only=True):
    """One file of a database, below the folder of the manifest. `sha256` is that of the file itself."""

    name: str
    sha256: str
    size: int

    def check(self, folder: Path) -> None:
        """Compare the file with its digest.

        Raises:
            GeodbError: it is another than was installed.
            OSError: it cannot be read.

        """
        import hashlib  # noqa: PLC0415  # a look-up in a local database is quicker without

        with (folder / self.name).open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != self.sha256:
                raise GeodbError(f"{self.name} is damaged")


class Publication(Struct, frozen=True, kw_only=True):
    """Where a database came from, and on which terms."""

    name: str
    licence: str
    attribution: str | None = None


class Installed(Struct, frozen=True, kw_only=True):
    """One database. `built` is its publisher's build time, `fetched_at` ours; epoch seconds."""

    role: Role
    title: str
    source: Publication
    built: float
    fetched_at: float
    files: tuple[File, ...]

    def age_days(self, now: float | None = None) -> float:
        """Return the days since its publisher built it."""
        return max(0.0, (time.time() if now is None else now) - self.built) / _DAY

    def is_old(self, now: float | None = None) -> bool:
        """Return whether it is older than 30 days, the limit of MaxMind's licence."""
        return self.age_days(now) > OLD_DAYS


class Manifest(Struct, frozen=True, kw_only=True):
    """The databases in use, at most one for each role."""

    databases: tuple[Installed, ...] = ()

    def of(self, role: Role) -> Installed | None:
        """Return the database for a role."""
        return next((each for each in self.databases if each.role == role), None)

    def with_database(self, new: Installed) -> "Manifest":
        """Return a manifest in which this database has replaced the one of its role."""
        kept = {each.role: each for each in self.databases} | {new.role: new}
        return Manifest(databases=tuple(kept[role] for role in ROLES if role in kept))


def load(folder: Path) -> Manifest:
    """Read the manifest of a folder; without one there is no database.

    Raises:
        GeodbError: it cannot be read.

    """
    try:
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GeodbError(f"{folder / _NAME} cannot be read: {error}") from error


def save(folder: Path, manifest: Manifest) -> None:
    """Write `manifest` into `folder` atomically, then remove the files it no longer names."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    installation.replace_file(folder / _NAME, text + b"\n")
    named = {each.name for database in manifest.databases for each in database.files}
    for path in folder.iterdir():
        if path.suffix in {".mmdb", ".asn"} and path.name not in named:
            path.unlink(missing_ok=True)


def signature(folder: Path) -> tuple[int, int, int] | None:
    """Return inode, modification time and size of the manifest, which change with it; None without a manifest."""
    return installation.signature(folder / _NAME)
