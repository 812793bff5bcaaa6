"""What the page costs: bytes and time until the overview is there, bytes a second of an idle tab, and the share of a core
that many open tabs take. `make bench-page HOSTS=22000 TABS=200`.
"""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import upgrade
from tests.support.world import fill

ANSWERS = (
    "/api/data?limit=1",
    "/api/overview?hours=24",
    "/api/traffic?span=hour",
    "/api/map",
    "/api/connections?limit=50",
)
"""What the overview asks for when it is opened."""

SECONDS = 20.0


def main(hosts: int, tabs: int) -> None:
    """Measure on a new ledger with `hosts` hosts, with `tabs` tabs open."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url = f"sqlite:///{home}/cobalt.sqlite3"
        database = Database(url)
        upgrade(database)
        fill(database, home, hosts)
        database.dispose()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        settings = {"COBALT_HOME": folder, "COBALT_DATABASE_URL": url, "COBALT_BROKER_URL": "redis://127.0.0.1:1/0"}
        command = [sys.executable, "-m", "cobalt_tasks", "dashboard", "--port", str(port)]
        server = subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.DEVNULL)
        try:
            _wait(port)
            _first_page(port)
            asyncio.run(_tabs(port, tabs, psutil.Process(server.pid)))
        finally:
            server.terminate()
            server.wait(30)


def _wait(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            _bytes(port, "/api/live")
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the page's server did not start")


def _bytes(port: int, path: str) -> int:
    """Return how many bytes an answer has, compressed as for a browser."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept-Encoding": "gzip, br"})
    with urllib.request.urlopen(request, timeout=60) as answer:  # an address of our own
        return len(answer.read())


def _first_page(port: int) -> None:
    static = Path(__file__).parents[1] / "cobalt_tasks/views/dashboard/static"
    files, todo = {"/", "/static/page.css", "/static/land.svg", "/static/icon.svg"}, ["page.js", "views/overview.js"]
    while todo:
        name = todo.pop()
        if f"/static/{name}" in files:
            continue
        files.add(f"/static/{name}")
        text = (static / name).read_text()
        todo += re.findall(r'^import .* from "/static/([^"]+)"', text, re.MULTILINE)
    for word in ("cold", "warm"):
        began = time.monotonic()
        sizes = {path: _bytes(port, path) for path in [*sorted(files), *ANSWERS]}
        seconds = time.monotonic() - began
        print(
            f"first page, {word}: {sum(sizes.values()) / 1024:.0f} KiB in {len(sizes)} answers, one by one {seconds:.2f} s"
        )


async def _tabs(port: int, tabs: int, server: psutil.Process) -> None:
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(tabs)]
    received = [0] * tabs
    for _, writer in streams:
        writer.write(b"GET /api/stream?changes=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    async def read(place: int) -> None:
        while chunk := await streams[place][0].read(65536):
            received[place] += len(chunk)

    readers = [asyncio.create_task(read(place)) for place in range(tabs)]
    await asyncio.sleep(6)
    whole = max(received)
    received[:] = [0] * tabs
    began, before = time.monotonic(), server.cpu_times()
    await asyncio.sleep(SECONDS)
    seconds, after = time.monotonic() - began, server.cpu_times()
    used = (after.user + after.system - before.user - before.system) / seconds
    for reader in readers:
        reader.cancel()
    open_ = sum(number > 0 for number in received)
    print(f"an idle tab: {whole / 1024:.1f} KiB at first, then {max(received) / seconds / 1000:.2f} kB/s at most")
    print(f"{open_} of {tabs} tabs receive: {used:.1%} of a core")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
