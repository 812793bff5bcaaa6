"""Real database files, and a server that speaks ip-api's contract to the letter."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.geolocation.local import install as geodb
from tests.support.mmdb import write_mmdb


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    """A folder with an installed city database (two files), a network list and a country database."""
    files = tmp_path / "published"
    files.mkdir()
    city = {
        "city": "Sampleton",
        "country_code": "DE",
        "latitude": 1.5,
        "longitude": 2.5,
        "postcode": "",
        "timezone": "",
    }
    write_mmdb(files / "city-ipv4.mmdb", "city ipv4", {"8.8.8.0/24": city}, 4)
    write_mmdb(files / "city-ipv6.mmdb", "city ipv6", {"2001:4860::/32": {**city, "city": "Sixton"}})
    write_mmdb(
        files / "country.mmdb",
        "country ipvAll",
        {"8.8.8.0/24": {"country_code": "FR"}, "1.1.1.0/24": {"country_code": "AU"}},
    )
    (files / "asn.csv").write_text('8.8.0.0,8.8.255.255,64496,Example Net\n1.1.1.0,1.1.1.255,64497,"Anycast, Inc."\n')
    folder = tmp_path / "geodb"
    geodb.add(folder, sorted(files.iterdir()), lambda _: None)
    return folder


class IpApiServer(ThreadingHTTPServer):
    """ip-api.com's batch endpoint: at most 100 addresses, so many calls in a window, 429 beyond, a ban for insisting.

    `misbehave` replaces the answer, `delay` seconds come before it; `calls` holds the time and the addresses of every call,
    `refused` counts the 429s, `together` is how many calls were on their way at one time.
    """

    daemon_threads = True
    allowed = 15
    banned_after = 5

    def __init__(self, window: float = 60.0) -> None:
        """Serve from a thread, on a free port."""
        super().__init__(("127.0.0.1", 0), _IpApiHandler)
        self.window = window
        self.calls: list[tuple[float, list[str]]] = []
        self.windows: list[int] = []
        self.refused = 0
        self.delay = 0.0
        self.together = self._open = 0
        self.misbehave: Callable[[BaseHTTPRequestHandler], None] | None = None
        self._lock = threading.Lock()
        self._ends = 0.0
        self._used = 0
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def asked(self) -> list[str]:
        """Every address of every call, in order."""
        return [address for _, addresses in self.calls for address in addresses]

    def take_time(self) -> None:
        """Let a call wait, and count those that do so together."""
        with self._lock:
            self._open += 1
            self.together = max(self.together, self._open)
        time.sleep(self.delay)
        with self._lock:
            self._open -= 1

    def count(self, addresses: list[str]) -> tuple[int, int, int]:
        """Count a call; return the status it deserves, what is left, and when the window ends."""
        with self._lock:
            now = time.monotonic()
            if now >= self._ends:
                self._ends, self._used = now + self.window, 0
                self.windows.append(0)
            # Cut off, which is what a client can least rely on.
            ttl = max(0, int(self._ends - now))
            if self.refused >= self.banned_after:
                return 403, 0, ttl
            if self._used >= self.allowed:
                self.refused += 1
                return 429, 0, ttl
            self._used += 1
            self.windows[-1] += 1
            self.calls.append((now, addresses))
            return 200, self.allowed - self._used, ttl


class _IpApiHandler(BaseHTTPRequestHandler):
    server: IpApiServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.split("?")[0] != "/batch":
            self._answer(404, {}, b"")
            return
        if self.server.misbehave is not None:
            self.server.calls.append((time.monotonic(), asked))
            self.server.misbehave(self)
            return
        if len(asked) > 100:
            self._answer(422, {}, b"")
            return
        self.server.take_time()
        status, left, ttl = self.server.count(asked)
        body = json.dumps([_entry(address) for address in asked]).encode() if status == 200 else b""
        self._answer(status, {"X-Rl": str(left), "X-Ttl": str(ttl)}, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""


def _entry(address: str) -> dict[str, object]:
    if not ip_address(address).is_global:
        return {"status": "fail", "message": "private range", "query": address}
    if address.startswith("25."):
        return {"status": "fail", "message": "reserved range", "query": address}
    return {
        "status": "success",
        "country": "Exampleland",
        "countryCode": "EX",
        "regionName": "North",
        "city": "Sampleton",
        "lat": 1.5,
        "lon": 2.5,
        "timezone": "Etc/UTC",
        "isp": "Example ISP",
        "org": "",
        "as": "AS64496 Example Net",
        "query": address,
    }


@pytest.fixture
def ip_api() -> Iterator[IpApiServer]:
    """A server that speaks like ip-api.com."""
    server = IpApiServer()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def configured(home: Path, ip_api: IpApiServer) -> Settings:
    """Settings that name the server, and a home without databases."""
    return environment.load({"COBALT_HOME": str(home), "COBALT_IPAPI_URL": ip_api.url})


@pytest.fixture
def write_database() -> Callable[[Path, str, dict[str, object]], Path]:
    """The writer of database files."""
    return write_mmdb


@pytest.fixture
def command_ledger(
    home: Path, sqlite_template: Path, databases: Path, ip_api: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A ledger on SQLite in the home of the command, with local databases, and a provider that answers."""
    databases.rename(home / "geodb")
    shutil.copy(sqlite_template, home / "cobalt.db")
    monkeypatch.setenv("COBALT_IPAPI_URL", ip_api.url)
    database = open_ledger(environment.load())
    yield database
    database.dispose()


@pytest.fixture
def command_environment(command_ledger: Database, ip_api: Any) -> dict[str, str]:
    """The environment of a command of its own."""
    return {**environment.environment(environment.load()), "COBALT_IPAPI_URL": ip_api.url}
