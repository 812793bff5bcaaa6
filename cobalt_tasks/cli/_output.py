"""Where a command writes much: into a file, which is there when it is whole, or to standard output."""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import click

from cobalt_tasks.core.errors import CobaltError, ConfigurationError

_SECONDS_BETWEEN = 0.5
_PART = ".cobalt-export-"


class OutputError(CobaltError):
    """The output cannot be written."""


class RowProgress:
    """A line on standard error, where that is a terminal: how many rows were written."""

    def __init__(self) -> None:
        """Start silent: the first line is printed half a second from now."""
        self._is_shown = sys.stderr.isatty()
        self._next = time.monotonic() + _SECONDS_BETWEEN
        self._printed = False

    def show(self, rows: int) -> None:
        """Print a number of rows, if it is time for that."""
        if self._is_shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN
            self._printed = True
            click.echo(f"\r\x1b[K{rows:,} rows", nl=False, err=True)

    def end(self) -> None:
        """Remove the line."""
        if self._printed:
            click.echo("\r\x1b[K", nl=False, err=True)


def write(output: Path | None, pieces: Iterable[str | bytes]) -> None:
    """Write pieces one by one.

    Args:
        output: the file, readable by this user alone; what it held before stays until all is written. None: standard
            output.
        pieces: text, which is written in UTF-8, or bytes.

    Raises:
        ConfigurationError: the file cannot be made.
        OutputError: writing failed, as on a full disk; no half file is left.

    """
    try:
        with _standard_output() if output is None else _file(output) as target:
            for piece in pieces:
                # What a spreadsheet and JSON expect, independent of this terminal's locale.
                target.write(piece.encode("utf-8", "backslashreplace") if isinstance(piece, str) else piece)
            target.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "standard output" if output is None else f"--output: {output}"
        raise OutputError(f"{where} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    try:
        yield sys.stdout.buffer
    except OSError:
        drop()
        raise


def drop() -> None:
    """Discard what standard output still buffers: flushing it at the end of the process would fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _file(output: Path) -> Iterator[IO[bytes]]:
    # A device or a named pipe cannot be replaced.
    is_kept = output.exists() and not output.is_file()
    try:
        target = output.open("wb") if is_kept else _new_file(output.parent)
    except FileNotFoundError:
        raise ConfigurationError(f"--output: there is no folder {output.parent}; make it with mkdir -p") from None
    except OSError as error:
        raise ConfigurationError(f"--output: {output} cannot be written: {error.strerror}") from error
    with target:
        if is_kept:
            yield target
            return
        part = Path(target.name) if isinstance(target.name, str) else None
        try:
            yield target
            target.flush()
            part = part or _name(target.fileno(), output.parent)
            part.replace(output)
        except BaseException:
            if part:
                part.unlink(missing_ok=True)
            raise


def _new_file(folder: Path) -> IO[bytes]:
    """Return a new file without a name, which is gone if the process is killed; with one where the system needs it."""
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600), "wb")
    except (AttributeError, OSError):
        return NamedTemporaryFile(dir=folder, prefix=_PART, delete=False)


def _name(descriptor: int, folder: Path) -> Path:
    """Name the file without a name that is open as `descriptor`; return its path in `folder`."""
    name = folder / f"{_PART}{secrets.token_hex(8)}"
    # With a folder, which the absolute path has no use for, Python follows the link in /proc.
    root = os.open("/", os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=root)
    finally:
        os.close(root)
    return name
