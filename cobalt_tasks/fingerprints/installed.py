"""The installed fingerprints as this process uses them: read at the first use, and again when they were replaced."""

import logging
from pathlib import Path
from typing import Final

from cobalt_tasks.core import installation, recognition, x509
from cobalt_tasks.core.errors import FingerprintsError
from cobalt_tasks.fingerprints import manifest
from cobalt_tasks.fingerprints.fields import of_certificate, values_of
from cobalt_tasks.fingerprints.matcher import Matcher
from cobalt_tasks.fingerprints.merging import enriched
from cobalt_tasks.protocols.fingerprint import Fingerprint

log = logging.getLogger(__name__)

_NONE: Final = Matcher({})


class Fingerprints:
    """The fingerprints of one folder."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet; `folder` need not exist."""
        self._folder = folder
        self._signature: tuple[int, int, int] | None = None
        self._matcher = _NONE

    def current(self) -> Matcher:
        """Return the matcher of what is installed now; one that knows nothing if nothing is, or it cannot be read."""
        signature = installation.signature(self._folder / manifest.NAME)
        if signature != self._signature:
            self._signature = signature
            self._matcher = self._read()
        return self._matcher

    def _read(self) -> Matcher:
        try:
            found = manifest.load(self._folder)
            return Matcher(manifest.patterns(self._folder, found)) if found else _NONE
        except FingerprintsError as error:
            log.warning("recognition goes on without the installed fingerprints: %s", error)
            return _NONE

    def enriched(self, known: Fingerprint, raw: bytes, certificate: bytes | None = None) -> Fingerprint:
        """Return a fingerprint with what the installed ones know about its answer.

        Args:
            known: what our own recogniser found out.
            raw: the answers of the server.
            certificate: the certificate it showed, DER; None in the clear.

        """
        matcher = self.current()
        if matcher is _NONE:
            return known
        known = enriched(known, values_of(known, raw), matcher)
        names = x509.names_of(certificate) if certificate else None
        return enriched(known, of_certificate(*names), matcher) if names else known


_used: Fingerprints | None = None


def use(folder: Path) -> None:
    """Use the fingerprints of a folder in this process."""
    global _used  # noqa: PLW0603  # one folder for the whole process, which its settings name
    _used = Fingerprints(folder)
    recognition.also_by(folder / manifest.NAME)


def recognise_more(known: Fingerprint, raw: bytes, certificate: bytes | None = None) -> Fingerprint:
    """Return a fingerprint with what the fingerprints of this process know; the same if it uses none.

    Args:
        known: what our own recogniser found out.
        raw: the answers of the server.
        certificate: the certificate it showed, DER; None in the clear.

    """
    return _used.enriched(known, raw, certificate) if _used else known
