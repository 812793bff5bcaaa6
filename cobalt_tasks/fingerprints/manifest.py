"""The installed fingerprints, COBALT_HOME/fingerprints: a manifest, and files that it names by their content.

The files never change, and the manifest is replaced at once: a reader sees the old fingerprints or the new ones.
"""

import hashlib
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from cobalt_tasks.core import installation
from cobalt_tasks.core.errors import FingerprintsError
from cobalt_tasks.fingerprints.records import Example, Fields

T = TypeVar("T")

NAME: Final = "manifest.json"
_SUFFIX: Final = ".msgpack"


class Installation(Struct, frozen=True, kw_only=True):
    """What is installed.

    Attributes:
        source: the URL, file or folder it came from.
        licence: the terms of its publisher.
        fetched_at: when it was installed, epoch seconds.
        files: how many files of the source hold fingerprints.
        fields: how many fields have patterns; patterns: how many there are; left_out: how many could not be used.
        examples: how many examples the patterns bring.
        patterns_file, examples_file: the names of the files; sha256: the digest of each, by name.

    """

    source: str
    licence: str
    fetched_at: float
    files: int
    fields: int
    patterns: int
    left_out: int
    examples: int
    patterns_file: str
    examples_file: str
    sha256: dict[str, str]


def load(folder: Path) -> Installation | None:
    """Return the manifest of a folder; None if nothing is installed.

    Raises:
        FingerprintsError: it cannot be read.

    """
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Installation)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FingerprintsError(f"{folder / NAME} cannot be read: {error}: run cobalt fingerprints update") from error


def store(folder: Path, stem: str, content: object) -> tuple[str, str]:
    """Write `content` into `folder` under a name made of `stem` and its digest; return the name and the digest."""
    packed = msgspec.msgpack.encode(content)
    digest = hashlib.sha256(packed).hexdigest()
    name = f"{stem}-{digest[:12]}{_SUFFIX}"
    installation.replace_file(folder / name, packed)
    return name, digest


def save(folder: Path, manifest: Installation) -> None:
    """Write `manifest` into `folder` at once, then remove the files it does not name."""
    installation.replace_file(folder / NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    for path in folder.glob(f"*{_SUFFIX}"):
        if path.name not in manifest.sha256:
            path.unlink(missing_ok=True)


def patterns(folder: Path, manifest: Installation) -> Fields:
    """Read the installed patterns.

    Args:
        folder: the folder of the fingerprints.
        manifest: its manifest.

    Raises:
        FingerprintsError: they cannot be read, or are others than were installed.

    """
    return _read(folder, manifest, manifest.patterns_file, Fields)


def examples(folder: Path, manifest: Installation) -> list[Example]:
    """Read the installed examples.

    Args:
        folder: the folder of the fingerprints.
        manifest: its manifest.

    Raises:
        FingerprintsError: they cannot be read, or are others than were installed.

    """
    return _read(folder, manifest, manifest.examples_file, list[Example])


def _read(folder: Path, manifest: Installation, name: str, kind: type[T]) -> T:
    try:
        packed = (folder / name).read_bytes()
        if hashlib.sha256(packed).hexdigest() != manifest.sha256.get(name):
            raise FingerprintsError(f"{folder / name} is damaged: run cobalt fingerprints update")
        return msgspec.msgpack.decode(packed, type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise FingerprintsError(f"{folder / name} cannot be read: {error}: run cobalt fingerprints update") from error
