"""A database is walked whole before it is installed: what passes does not crash the reader that all workers use."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from maxminddb.decoder import Decoder

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.geolocation.local import install as geodb
from cobalt_tasks.geolocation.local import manifest, walk

Writer = Callable[..., Path]
RECORDS = {
    f"{first}.{second}.0.0/16": {
        "country": {"iso_code": "DE", "names": {"en": "Germany"}},
        "city": {"names": {"en": f"Town {first}.{second}"}},
        "location": {"latitude": 1.5, "longitude": 2.5, "time_zone": "Europe/Berlin"},
        "subdivisions": [{"iso_code": "BE"}],
    }
    for first in (8, 9, 11)
    for second in range(20)
}

MUTATE = """
import random, sys
from pathlib import Path
from maxminddb import MODE_MMAP_EXT, InvalidDatabaseError, open_database
from cobalt_tasks.geolocation.local import walk
source, target = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
random.seed(int(sys.argv[3]))
passed = refused = 0
for _ in range(400):
    changed = bytearray(source)
    for _ in range(random.choice((1, 1, 1, 3))):
        changed[random.randrange(len(changed))] = random.randrange(256)
    target.write_bytes(changed)
    try:
        walk._walk(target, lambda line: None)
    except Exception:
        refused += 1
        continue
    passed += 1
    with open_database(target, MODE_MMAP_EXT) as reader:
        for first in range(256):
            for second in (0, 7, 21, 255):
                reader.get(f"{first}.{second}.3.4")
print(passed, refused)
"""


@pytest.fixture
def database(tmp_path: Path, write_database: Writer) -> Path:
    """A sound database of some size."""
    return write_database(tmp_path / "city.mmdb", "GeoLite2-City", RECORDS, 4)


def refuse(path: Path, folder: Path) -> str:
    """Install a file that is refused; return why. Nothing else happens."""
    with pytest.raises(GeodbError) as caught:
        geodb.add(folder, [path], lambda _: None)
    assert not manifest.load(folder).databases
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("version", [4, 6])
def test_a_sound_database_passes(tmp_path: Path, write_database: Writer, version: int) -> None:
    """Of either family; its type and build time are known from the walk."""
    path = write_database(tmp_path / "x.mmdb", "GeoLite2-City", RECORDS, version)
    found = walk.inspect_file(path, lambda _: None)
    assert found.kind == "GeoLite2-City"
    assert found.built > 1.7e9


@pytest.mark.parametrize(("every", "shown"), [(25, [25, 50, 60]), (20, [20, 40, 60]), (60, [60]), (61, [])])
def test_the_last_line_of_a_walk_is_its_end(
    database: Path, monkeypatch: pytest.MonkeyPatch, every: int, shown: list[int]
) -> None:
    """All records, once; a walk that is shorter than a step prints nothing. Break: the end in walk._walk."""
    monkeypatch.setattr(walk, "_REPORT_EVERY", every)
    lines: list[str] = []
    walk._walk(database, lines.append)
    assert lines == [f"{count} of {len(RECORDS)} records checked" for count in shown]


@pytest.mark.parametrize("seed", [1, 2])
def test_what_passes_crashes_no_reader(database: Path, tmp_path: Path, seed: int) -> None:
    """Hundreds of files with a few bytes changed: each is refused, or read without an error by the reader written in C.

    Break: the look at the offset in search_tree.check_tree, or Data.check.
    """
    command = [sys.executable, "-c", MUTATE, str(database), str(tmp_path / "changed.mmdb"), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    passed, refused = map(int, done.stdout.split())
    assert passed > 20
    assert refused > 20


def test_a_changed_tree_is_refused(database: Path, tmp_path: Path) -> None:
    """One byte makes the tree lead far out of the file."""
    content = bytearray(database.read_bytes())
    content[0] = 0xEE
    database.write_bytes(content)
    assert "leads out of the file" in refuse(database, tmp_path / "geodb")


def test_a_circle_is_refused(database: Path, tmp_path: Path) -> None:
    """A way that comes back to the root: every walk over the networks would be endless."""
    content = bytearray(database.read_bytes())
    with walk.maxminddb.open_database(database) as reader:
        width = reader.metadata().record_size // 4
    content[5 * width : 6 * width] = bytes(width)
    database.write_bytes(content)
    assert "in a circle" in refuse(database, tmp_path / "geodb")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_file_without_its_middle_is_refused(database: Path, tmp_path: Path, part: float) -> None:
    """The metadata are there, what they describe is not."""
    content = database.read_bytes()
    cut = int(len(content) * part)
    database.write_bytes(content[:cut] + content[content.rindex(walk.MARKER) :])
    refuse(database, tmp_path / "geodb")


def test_values_that_contain_too_much_are_refused() -> None:
    """A pointer to itself, arrays in arrays, and eight levels of eight pointers each, which mean sixteen million values."""
    with pytest.raises(walk.UnsoundError, match="contains itself"):
        walk.Data(b"\x01\x04\x20\x00").check(0)
    with pytest.raises(walk.UnsoundError, match="in one another"):
        walk.Data(b"\x01\x04" * 1000 + b"\xa0").check(0)
    laughing = b"\xa0"
    offsets = [0]
    for _ in range(8):
        offsets.append(len(laughing))
        laughing += b"\x08\x04" + bytes([0x20, offsets[-2]]) * 8
    with pytest.raises(walk.UnsoundError, match="unfolds"):
        walk.Data(laughing).check(offsets[-1])


def test_a_crash_is_a_refusal(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the walk itself did not see ends a process of its own, not this one."""
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nkill -SEGV $$\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    assert "crash" in refuse(database, tmp_path / "geodb")


def test_nothing_raw_is_printed(tmp_path: Path, write_database: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names in a file and of a file are data: invariant 9 of docs/architecture.md."""
    monkeypatch.setenv("COBALT_HOME", str(tmp_path))
    sound = write_database(tmp_path / "a\x1b[31m\nb.mmdb", "GeoLite2-City\x1b]0;owned\x07", RECORDS, 4)
    strange = write_database(tmp_path / "c\x1b[31m.mmdb", "nonsense\x1b[2J", RECORDS, 4)
    junk = tmp_path / "d\x1b[31m.mmdb"
    junk.write_bytes(random.Random(1).randbytes(5000))
    for file in (sound, strange, junk):
        done = subprocess.run(
            [sys.executable, "-m", "cobalt_tasks", "geodb", "update", "--from", str(file)],
            capture_output=True,
            check=False,
            env=dict(os.environ),
        )
        assert not set(done.stdout + done.stderr) & {0x1B, 0x07}, (done.stdout, done.stderr)
        assert done.returncode == (0 if file is sound else 1)
    shown = CliRunner().invoke(cobalt, ["geodb", "info"]).output
    assert "GeoLite2-City" in shown
    assert "\x1b" not in shown


def test_checking_costs_little_more_than_reading() -> None:
    """A city file has 425,000 records, and a first `make run` waits for the walk. Break: a slice for each byte."""
    fields = {
        b"city": b"Mountain View",
        b"country_code": b"US",
        b"state1": b"California",
        b"timezone": b"",
        b"postcode": b"",
    }
    content = bytes([0xE0 | len(fields)])
    content += b"".join(bytes([0x40 | len(text)]) + text for field in fields.items() for text in field)
    decoder = Decoder(content)
    assert decoder.decode(0)[1] == walk.Data(content).check(0)[0] == len(content)

    def check() -> None:
        data = walk.Data(content)
        for _ in range(2000):
            data.check(0)

    def read() -> None:
        for _ in range(2000):
            decoder.decode(0)

    assert min(_seconds(check) for _ in range(7)) < 2.2 * min(_seconds(read) for _ in range(7))


def _seconds(work: Callable[[], None]) -> float:
    """Processor time of work; the measuring of coverage, which slows down our code only, stands still meanwhile."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        started = time.process_time()
        work()
        return time.process_time() - started
    finally:
        sys.settrace(tracer)


def test_files_are_walked_at_once(tmp_path: Path, write_database: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each walk ends only when the other one has started: one after the other, neither would."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    fake = tmp_path / "python"
    fake.write_text(
        '#!/bin/sh\ntouch "$3.seen"\n'
        f'for _ in $(seq 300); do [ -e "{tmp_path}/a.mmdb.seen" ] && [ -e "{tmp_path}/b.mmdb.seen" ] && break; sleep 0.1; done\n'
        f'[ -e "{tmp_path}/b.mmdb.seen" ] || exit 1\nexec "{sys.executable}" "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    files = [write_database(tmp_path / name, "GeoLite2-City", RECORDS, 4) for name in ("a.mmdb", "b.mmdb")]
    assert list(walk.inspect_files(files, lambda _: None)) == files
