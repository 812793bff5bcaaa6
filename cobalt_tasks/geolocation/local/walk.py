"""Walks a database in MaxMind's format whole, before it is installed: https://maxmind.github.io/MaxMind-DB/.

The reader written in C, which all workers use, believes what it reads: one changed byte can end its process. So every
record of the search tree and all data it leads to are checked here first, byte by byte, then read by that reader too. It
is run as a program of its own (`inspect_file`): if that crashes, or takes too much time or memory, the file is refused.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

import maxminddb
import msgspec
from msgspec import Struct

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.core.text import printable
from cobalt_tasks.geolocation.local.data_section import Data, UnsoundError
from cobalt_tasks.geolocation.local.search_tree import GAP, WIDTHS, address_of, check_tree, read_records

MARKER: Final = b"\xab\xcd\xefMaxMind.com"
TAIL: Final = 128 * 1024
"""The marker of the metadata lies in the last bytes of a file, so many at most."""

_SECONDS: Final = 900.0
_MEMORY: Final = 3 << 30
_REPORT_EVERY: Final = 200_000


class Inspected(Struct, frozen=True, kw_only=True):
    """The metadata of a sound database: its type, and when it was built (epoch seconds)."""

    kind: str
    built: float


def inspect_files(paths: Sequence[Path], progress: Callable[[str], None]) -> dict[Path, Inspected]:
    """Walk files, as many at once as there are processors.

    Args:
        paths: the files.
        progress: called with lines of text, from several threads.

    Raises:
        GeodbError: one is no database, or a damaged one.

    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(paths, pool.map(lambda path: inspect_file(path, progress), paths), strict=True))


def inspect_file(path: Path, progress: Callable[[str], None]) -> Inspected:
    """Walk a file in a process of its own.

    Args:
        path: the file.
        progress: called with lines of text.

    Raises:
        GeodbError: it is no database, or a damaged one.

    """
    command = [sys.executable, "-m", "cobalt_tasks.geolocation.local.walk", str(path)]
    deadline = time.monotonic() + _SECONDS
    last = ""
    with subprocess.Popen(  # noqa: S603  # our own program
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                last = line.rstrip("\n")
                if last.startswith("+ "):
                    progress(f"{printable(path.name.encode())}: {last[2:]}")
                if time.monotonic() > deadline:
                    break
            code = process.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
    name = printable(path.name.encode())
    if code == 0:
        return msgspec.json.decode(last, type=Inspected)
    if code == 1 and last.startswith("- "):
        raise GeodbError(f"{name} is no sound database in MaxMind's format: {last[2:]}")
    raise GeodbError(f"{name} is no sound database in MaxMind's format: reading it ends in a crash or does not end")


def _walk(path: Path, progress: Callable[[str], None]) -> Inspected:
    with path.open("rb") as opened:
        mapped = mmap(opened.fileno(), 0, access=ACCESS_READ)
    view = memoryview(mapped)
    start = mapped.rfind(MARKER, max(0, len(mapped) - TAIL))
    if start < 0:
        raise UnsoundError("it has no metadata")
    Data(bytes(view[start + len(MARKER) :])).check(0)
    with maxminddb.open_database(path, maxminddb.MODE_MMAP) as reader:
        about = reader.metadata()
    nodes, width, version = about.node_count, about.record_size, about.ip_version
    if width not in WIDTHS or version not in {4, 6} or not 0 < nodes < 1 << 31:
        raise UnsoundError("its metadata make no sense")
    size = nodes * width // 4
    if size + GAP > start:
        raise UnsoundError("it is cut: its search tree is longer than the file")
    records = read_records(view[:size], width)
    parents, leaves = check_tree(records, nodes, start - size - GAP)
    data = Data(bytes(view[size + GAP : start]))
    for count, offset in enumerate(leaves, 1):
        data.check(offset)
        if not count % _REPORT_EVERY or _REPORT_EVERY < count == len(leaves):
            progress(f"{count} of {len(leaves)} records checked")
    with maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT) as reader:
        for record in leaves.values():
            reader.get(address_of(parents, record, version))
    return Inspected(kind=str(about.database_type), built=float(about.build_epoch))


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _report(line: str) -> None:
    _write(f"+ {line}")


def main(path: Path) -> int:
    """Walk a file; print progress, and last what it is, or why it is refused."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY + 2 * path.stat().st_size,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(_SECONDS), int(_SECONDS)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = _walk(path, _report)
    except (UnsoundError, maxminddb.InvalidDatabaseError, MemoryError) as error:
        reason = str(error) or "it needs too much memory"
    except Exception as error:  # noqa: BLE001  # whatever a damaged file makes the other reader raise
        reason = f"{type(error).__name__}: {error}"
    else:
        _write(msgspec.json.encode(found).decode())
        return 0
    _write(f"- {printable(reason.splitlines()[0].encode('utf-8', 'replace'))[:300]}")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
