"""Every exception that is our own fault or our surroundings'. What a peer, a provider or an input line does is an
outcome (see records.py), never one of these.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The errors of the system where a disk, a quota or a file holds no more."""


class CobaltError(Exception):
    """Something went wrong inside Cobalt."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """Return the message given, else the class's docstring: one clear line either way."""
        return super().__str__() or (type(self).__doc__ or "").strip()


class ConfigurationError(CobaltError):
    """A setting or an argument cannot be used."""

    exit_code = 2


class DatabaseUnavailableError(CobaltError):
    """The database does not answer."""


class NoLedgerError(DatabaseUnavailableError):
    """There is no ledger: cobalt up or cobalt ingest makes one."""


class DatabaseBusyError(DatabaseUnavailableError):
    """The database is there and takes no connection now: it is full, or starts, or stops."""


class DatabaseRefusedError(DatabaseUnavailableError):
    """The database refuses this user, password or name; waiting does not help."""


class OutOfTimeError(CobaltError):
    """The database took longer than this may take."""


class BrokerUnavailableError(CobaltError):
    """Redis does not answer."""


class AlreadyRunningError(CobaltError):
    """Another Cobalt is already running on this state folder."""


class CheckpointMovedError(CobaltError):
    """Another process is ingesting the same source: its checkpoint moved meanwhile."""


class JournalError(CobaltError):
    """The journal cannot be written or read."""


class FingerprintsError(CobaltError):
    """No fingerprints could be fetched or read."""


class GeodbError(CobaltError):
    """No geolocation database could be fetched or read."""


class OutOfScopeError(CobaltError):
    """A probe was asked to reach an address outside the scope."""


@contextmanager
def exit_on_wrong_configuration() -> Iterator[None]:
    """End the process with one line and the exit code 2 if the block raises ConfigurationError: Celery prints a traceback."""
    try:
        yield
    except ConfigurationError as error:
        sys.stderr.write(f"cobalt: {error}\n")
        raise SystemExit(error.exit_code) from None
