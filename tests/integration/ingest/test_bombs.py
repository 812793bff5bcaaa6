"""Hostile archives: memory and work are bounded, whatever a compressed file says about itself."""

import bz2
import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from cobalt_tasks.ingest.streams.decompress import Unpacked, opener
from tests.support.waiting import PATIENCE

ZEROS = bytes(1 << 20)
MEBIBYTES = 200
MEASURE = """
import resource, sys
from cobalt_tasks.ingest.streams.decompress import Unpacked, opener
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
length, said = 0, ""
with open(sys.argv[1], "rb") as file:
    content = Unpacked(file, opener(file))
    try:
        while piece := content.read(1 << 19):
            length += len(piece)
    except Exception as error:
        said = type(error).__name__ + str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, length >> 20, said)
"""


def packed(packer: Any) -> Iterable[bytes]:
    """Many mebibytes of zeros through a packer."""
    for _ in range(MEBIBYTES):
        yield packer.compress(ZEROS)
    yield packer.flush()


def zstd(window: int) -> Any:
    """A packer with a window of 2**window bytes."""
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=window)
    return zstandard.ZstdCompressor(compression_params=parameters).compressobj()


def xz(size: int) -> Any:
    """A packer with a dictionary of some bytes."""
    return lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": size}])


def measure(file: Path) -> tuple[int, int, str]:
    """MiB of memory that reading a file took, MiB that were in it, and the error if there was one."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    memory, length, *said = done.stdout.split(" ", 2)
    return int(memory), int(length), said[0].strip()


@pytest.mark.parametrize(
    "packer",
    [lambda: bz2.BZ2Compressor(9), lambda: xz(64 << 20), lambda: zstd(25), lambda: zstd(17)],
    ids=["bz2", "xz -9", "zstd, 32 MiB", "zstd, 128 KiB"],
)
def test_what_tools_make_by_default_is_read_in_little_memory(packer: Callable[[], Any], tmp_path: Path) -> None:
    """A thousandfold file is read whole, and never held."""
    file = tmp_path / "file"
    file.write_bytes(b"".join(packed(packer())))
    memory, length, said = measure(file)
    assert (length, said) == (MEBIBYTES, "")
    assert memory < 80


@pytest.mark.parametrize(
    "packer",
    [lambda: xz(256 << 20), lambda: zstd(27), lambda: zstd(30)],
    ids=["xz, 256 MiB", "zstd --long", "zstd, 1 GiB"],
)
def test_what_needs_too_much_memory_is_refused(packer: Callable[[], Any], tmp_path: Path) -> None:
    """A file that asks for a large window is an error that says what to do, and takes nothing."""
    file = tmp_path / "file"
    stream = packer()
    file.write_bytes(stream.compress(ZEROS) + stream.flush())
    memory, length, said = measure(file)
    assert length == 0
    assert said.startswith("ConfigurationError")
    assert "more memory than is allowed" in said
    assert memory < 20


@pytest.mark.parametrize("empty", [gzip.compress(b""), bz2.compress(b""), lzma.compress(b"")], ids=["gz", "bz2", "xz"])
def test_a_file_of_empty_members_ends(empty: bytes, tmp_path: Path) -> None:
    """Members that hold nothing, one after another, are given up; a few of them are no harm."""
    file = tmp_path / "file"
    file.write_bytes(empty * 200_000)
    assert "too many members" in measure(file)[2]
    file.write_bytes(empty * 100 + gzip.compress(b"x") if empty[:2] == b"\x1f\x8b" else empty * 100)
    assert measure(file)[2] == ""


def test_padding_after_a_member_is_passed_over(tmp_path: Path) -> None:
    """Zeros, as tapes and disks leave them, however many; what follows is read."""
    file = tmp_path / "file"
    file.write_bytes(gzip.compress(b"one") + bytes(1_000_000) + gzip.compress(b"two") + bytes(1_000_000))
    with file.open("rb") as opened:
        reader = opener(opened)
        assert reader
        assert Unpacked(opened, reader).read(100) == b"onetwo"
