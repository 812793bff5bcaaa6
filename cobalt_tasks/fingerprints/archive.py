"""Finds the XML files of a release archive (.tar.gz, .zip), a folder, or a single file; each bounded, none unpacked to disk."""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from cobalt_tasks.core.errors import FingerprintsError
from cobalt_tasks.fingerprints.recog_xml import LARGEST_FILE, RecogFile, parse

LARGEST_ARCHIVE: Final = 64 << 20
"""Bytes of an archive; recog's has about 2 MB."""

_MOST_MEMBERS: Final = 10_000
_MOST_FILES: Final = 500
_LARGEST_ALL: Final = 128 << 20
_SUFFIX: Final = ".xml"
_FOLDER: Final = "xml"
"""The folder of a release that holds the fingerprints; others hold files for its own tests."""


def read(source: Path) -> list[RecogFile]:
    """Return the files of fingerprints in a source, by name.

    Args:
        source: an archive, a folder, or one XML file.

    Raises:
        FingerprintsError: it holds none, or one of them cannot be used.

    """
    try:
        contents = dict(_bounded(_contents(source)))
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, RuntimeError) as error:
        raise FingerprintsError(f"{source} cannot be read: {error}") from error
    if not contents:
        raise FingerprintsError(f"{source} holds no {_SUFFIX} files")
    files = [parse(name, contents[name]) for name in sorted(contents)]
    if not any(each.candidates for each in files):
        raise FingerprintsError(f"{source} holds no fingerprint")
    return files


def _contents(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each XML file."""
    if source.is_dir():
        yield from _of_folder(source)
    elif zipfile.is_zipfile(source):
        yield from _of_zip(source)
    elif source.suffix == _SUFFIX:
        with source.open("rb") as file:
            yield source.stem, _limited(source, file.read(LARGEST_FILE + 1))
    elif tarfile.is_tarfile(source):
        yield from _of_tar(source)
    else:
        raise FingerprintsError(f"{source} is no .tar.gz, no .zip, no folder and no {_SUFFIX} file")


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    inner = folder / _FOLDER
    for path in sorted((inner if inner.is_dir() else folder).glob(f"*{_SUFFIX}")):
        if path.is_file():
            with path.open("rb") as file:
                yield path.stem, _limited(path, file.read(LARGEST_FILE + 1))


def _of_tar(source: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(source) as archive:
        for count, member in enumerate(archive):
            _require_few(source, count)
            name = PurePosixPath(member.name)
            if member.isfile() and _is_wanted(name):
                opened = archive.extractfile(member)
                if opened is not None:
                    yield name.stem, _limited(member.name, opened.read(LARGEST_FILE + 1))


def _of_zip(source: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(source) as archive:
        for count, member in enumerate(archive.infolist()):
            _require_few(source, count)
            name = PurePosixPath(member.filename)
            if not member.is_dir() and not stat.S_ISLNK(member.external_attr >> 16) and _is_wanted(name):
                with archive.open(member) as opened:
                    yield name.stem, _limited(member.filename, opened.read(LARGEST_FILE + 1))


def _is_wanted(name: PurePosixPath) -> bool:
    return name.suffix == _SUFFIX and (name.parent.name == _FOLDER or len(name.parts) == 1)


def _limited(name: object, content: bytes) -> bytes:
    if len(content) > LARGEST_FILE:
        raise FingerprintsError(f"{name} has more than {LARGEST_FILE >> 20} MiB")
    return content


def _require_few(source: Path, count: int) -> None:
    if count > _MOST_MEMBERS:
        raise FingerprintsError(f"{source} holds more than {_MOST_MEMBERS:,} files")


def _bounded(contents: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    size = 0
    for count, (name, content) in enumerate(contents):
        size += len(content)
        if count >= _MOST_FILES or size > _LARGEST_ALL:
            raise FingerprintsError(f"more than {_MOST_FILES} files or {_LARGEST_ALL >> 20} MiB of fingerprints")
        yield name, content
