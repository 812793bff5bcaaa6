"""Journals that no process reads any more: which there are, and how to throw one away."""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from cobalt_tasks.core.errors import ConfigurationError, JournalError
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.ingest.streams import journal


class Leftover(Struct, frozen=True, kw_only=True):
    """One journal that waits.

    Attributes:
        journal: its name, which is its folder's.
        source: the name of its source, as the command named it.
        format: the format it was given, None if it was to be recognised.
        bytes: on disk; some of them may be stored already.
        since: when bytes last arrived, in epoch seconds.

    """

    journal: str
    source: str
    format: str | None
    bytes: int
    since: float


def find(folder: Path) -> list[Leftover]:
    """Return the journals in a folder that nothing writes or reads, the oldest first. One without bytes is left out."""
    found = []
    for path in sorted(folder.glob("*-*")):
        try:
            sizes = [(file.stat().st_size, file.stat().st_mtime) for file in path.glob("*.data")]
        except FileNotFoundError:
            # It was stored meanwhile.
            continue
        # Without bytes it may just be starting: its locks are left alone.
        if (total := sum(size for size, _ in sizes)) and journal.is_abandoned(path):
            about = _about(path)
            newest = max(changed for _, changed in sizes)
            found.append(Leftover(journal=path.name, source=about.name, format=about.format, bytes=total, since=newest))
    return found


def named(folder: Path, name: str) -> Leftover:
    """Return the leftover journal called `name` in `folder`.

    Raises:
        ConfigurationError: there is no such journal, or it is in use.

    """
    for each in find(folder):
        if each.journal == name:
            return each
    raise ConfigurationError(f"no journal {name!r} waits: cobalt sources journals list")


def forget(folder: Path, name: str) -> Leftover:
    """Delete the leftover journal called `name` in `folder` with all its bytes, and return what it was.

    Raises:
        ConfigurationError: there is no such journal.
        JournalError: another process has started to read it.

    """
    found = named(folder, name)
    with ExitStack() as stack:
        for lock in ("writer", "reader"):
            descriptor = journal.take_lock(folder / name / lock)
            if descriptor is None:
                raise JournalError(f"another process uses the journal {name}")
            stack.callback(os.close, descriptor)
        shutil.rmtree(folder / name)
    return found


def expire(folder: Path, limit: KeepLimit) -> list[Leftover]:
    """Delete leftover journals that are not kept, the oldest first; return what they were.

    Args:
        folder: the journals'.
        limit: how long they are kept after their last byte, or how many bytes of them are.

    """
    gone = []
    found = find(folder)
    total = sum(each.bytes for each in found)
    for each in found:
        is_old = limit.seconds is not None and each.since < time.time() - limit.seconds
        if is_old or (limit.size is not None and total > limit.size):
            # Another process may have started to read it, or finished.
            with suppress(ConfigurationError, JournalError):
                gone.append(forget(folder, each.journal))
            total -= each.bytes
    return gone


def summary(found: Sequence[Leftover]) -> str:
    """Return how many wait, with how many bytes and since when, on one line."""
    oldest = time.strftime("%Y-%m-%d %H:%M", time.gmtime(min(each.since for each in found)))
    total = sum(each.bytes for each in found)
    noun = "journal waits" if len(found) == 1 else "journals wait"
    return f"{len(found)} {noun} with {total:,} bytes, since {oldest} UTC: cobalt ingest --resume stores them"


def _about(path: Path) -> journal.About:
    try:
        return msgspec.json.decode((path / "about.json").read_bytes(), type=journal.About)
    except (OSError, msgspec.DecodeError):
        return journal.About(name="?")
