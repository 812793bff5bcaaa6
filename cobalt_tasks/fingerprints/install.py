"""Installs fingerprints: checks all of them first, and replaces the old ones at once, or keeps those."""

import time
from pathlib import Path
from typing import Final

from cobalt_tasks.core.errors import FingerprintsError
from cobalt_tasks.core.installation import exclusive_update
from cobalt_tasks.fingerprints import archive, compiling, manifest
from cobalt_tasks.fingerprints.download import download
from cobalt_tasks.fingerprints.manifest import Installation

_LICENCE: Final = "BSD-2-Clause, Rapid7 Recog (https://github.com/rapid7/recog)"
_ARCHIVE: Final = "archive"
_LEAST_USED: Final = 0.5
"""The share of patterns that must work, or something is wrong with the file or with us."""


def update(folder: Path, url: str) -> Installation:
    """Download fingerprints, check them, and replace the installed ones.

    Args:
        folder: the folder of the fingerprints.
        url: of an archive, or of the latest release of a repository on GitHub.

    Raises:
        FingerprintsError: they cannot be had or used; the old ones stay.

    """
    with exclusive_update(folder, FingerprintsError, "the fingerprints") as temporary:
        fetched = temporary / _ARCHIVE
        came_from = download(url, fetched)
        try:
            return _install(folder, fetched, came_from)
        except FingerprintsError as error:
            # The name of the temporary file means nothing to the user.
            raise FingerprintsError(str(error).replace(str(fetched), came_from)) from error


def add(folder: Path, source: Path) -> Installation:
    """Install fingerprints of this machine.

    Args:
        folder: the folder of the fingerprints.
        source: an archive, a folder, or one XML file.

    Raises:
        FingerprintsError: they cannot be used; the old ones stay.

    """
    with exclusive_update(folder, FingerprintsError, "the fingerprints"):
        return _install(folder, source, str(source.absolute()))


def _install(folder: Path, source: Path, name: str) -> Installation:
    files = archive.read(source)
    checked = compiling.check(files)
    left_out = len(checked.left_out)
    if checked.patterns < _LEAST_USED * (checked.patterns + left_out):
        raise FingerprintsError(f"{source}: {left_out} fingerprints cannot be used, the first: {checked.left_out[0]}")
    patterns_file, patterns_digest = manifest.store(folder, "patterns", checked.fields)
    examples_file, examples_digest = manifest.store(folder, "examples", checked.examples)
    made = Installation(
        source=name,
        licence=_LICENCE,
        fetched_at=time.time(),
        files=sum(bool(each.candidates) for each in files),
        fields=len(checked.fields),
        patterns=checked.patterns,
        left_out=left_out,
        examples=len(checked.examples),
        patterns_file=patterns_file,
        examples_file=examples_file,
        sha256={patterns_file: patterns_digest, examples_file: examples_digest},
    )
    manifest.save(folder, made)
    return made
