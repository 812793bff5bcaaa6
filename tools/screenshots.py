"""Makes the pictures of the page in docs/images from a small ledger of made-up hosts: `make screenshots`.

The addresses are of networks for documentation and benchmarks; nothing is probed, and nothing leaves this machine. The page
is that of `cobalt up`, with a Redis and workers of its own.
"""

import os
import signal
import struct
import subprocess
import sys
import tempfile
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cobalt_tasks.db.engine import Database  # noqa: E402
from cobalt_tasks.db.schema import upgrade  # noqa: E402
from tests.conftest import free_port  # noqa: E402
from tests.support.browser import MILLISECONDS, chromium  # noqa: E402
from tests.support.waiting import PATIENCE, wait_until  # noqa: E402
from tests.support.world import address, fill  # noqa: E402

HOSTS = 2_000
WIDTH, HEIGHT = 1200, 800
LARGEST = 150_000
HOST = address(3)

_LIGHT = 225
_FEWER = bytes(round(value / 15) * 15 if value < _LIGHT else round(value / 5) * 5 for value in range(256))
"""Fewer shades, which the eye does not miss at the edges of letters."""

VIEWS = {
    "overview": ("/", (".clusters g >> nth=5", ".spark rect >> nth=0")),
    "hosts": ("/hosts", ("#host-rows tr >> nth=5", ".facets li >> nth=0")),
    "host": (f"/hosts/{HOST}", (".evidence li >> nth=0",)),
    "changes": ("/changes", ("#change-rows tr >> nth=5",)),
}
"""Each picture: the address of a view, and what is there once its data is."""


def main(folder: Path, width: int = WIDTH) -> None:
    """Write the pictures into `folder`, `width` pixels wide."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cobalt-screenshots-") as name:
        home = Path(name)
        url = f"sqlite:///{home}/cobalt.sqlite3"
        os.environ |= {  # noqa: TID251  # what is started below inherits it
            "COBALT_HOME": name,
            "COBALT_DATABASE_URL": url,
            "COBALT_OFFLINE": "true",
        }
        for broker in ("COBALT_BROKER_URL", "CELERY_BROKER_URL"):
            os.environ.pop(broker, None)  # noqa: TID251
        database = Database(url)
        upgrade(database)
        fill(database, home, HOSTS)
        database.dispose()
        with _running() as server, chromium() as browser:
            page = browser.new_page(base_url=server, viewport={"width": width, "height": HEIGHT})
            page.set_default_timeout(MILLISECONDS)
            _take(page, folder)


@contextmanager
def _running() -> Iterator[str]:
    """Run `cobalt up`; yield the URL of its page once nothing is wrong with it."""
    port, flower = free_port(), free_port()
    command = [sys.executable, "-m", "cobalt_tasks", "up", "--port", str(port), "--flower-port", str(flower)]
    up = subprocess.Popen([*command, "--concurrency", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    server = f"http://127.0.0.1:{port}"

    def is_well() -> bool:
        assert up.poll() is None, "cobalt up ended at once"
        try:
            return bool(requests.get(f"{server}/api/health", timeout=PATIENCE).json()["overall"] == 1.0)
        except requests.ConnectionError:
            return False

    try:
        wait_until(is_well, "everything is well")
        yield server
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(PATIENCE)


def _take(page: Page, folder: Path) -> None:
    for name, (path, loaded) in VIEWS.items():
        page.goto(path)
        for part in loaded:
            expect(page.locator(part)).to_be_attached()
        expect(page.locator("[aria-busy]")).to_have_count(0)
        expect(page.locator("#link")).not_to_be_empty()
        file = folder / f"{name}.png"
        file.write_bytes(smaller(page.screenshot()))
        size = file.stat().st_size
        if size > LARGEST:
            raise SystemExit(f"{file} has {size} bytes, more than {LARGEST}")
        print(f"{file}: {size} bytes")


def smaller(png: bytes) -> bytes:
    """Return a PNG of Chromium's, 8 bits a channel, in fewer shades and without filters: even areas then pack well."""
    width, height, _, colours = struct.unpack(">IIBB", png[16:26])
    channels = {2: 3, 6: 4}[colours]
    packed, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            packed += png[place + 8 : place + 8 + length]
        place += length + 12
    raw, stride = zlib.decompress(packed), width * channels
    lines, above = [], bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, channels)
        opaque = bytearray(width * 3)
        for channel in range(3):
            opaque[channel::3] = above[channel::channels]
        lines.append(b"\0" + opaque.translate(_FEWER))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(lines), 9)
    return png[:8] + b"".join(_chunk(*each) for each in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")))


def _unfiltered(kind: int, line: bytearray, above: bytearray, channels: int) -> bytearray:
    """Return the samples of a line (PNG 1.2, section 6); `kind`: its filter; `channels`: bytes of a pixel."""
    for place, value in enumerate(line if kind else b""):
        left, up, corner = 0, above[place], 0
        if place >= channels:
            left, corner = line[place - channels], above[place - channels]
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda each: abs(guess - each))
        line[place] = value + (0, left, up, (left + up) // 2, nearest)[kind] & 255
    return line


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


if __name__ == "__main__":
    options = ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "images")
    options.add_argument("--width", type=int, default=WIDTH, help="in pixels")
    given = options.parse_args()
    main(given.folder, given.width)
