"""A server whose answers a test chooses, and answers in the form of ipinfo and ipgeolocation."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "t0k3n-of-a-user"

Answering = Callable[[str, dict[str, str], Any, Any], tuple[int, Any]]
"""Path, query, headers and body to status and document."""


class Site(ThreadingHTTPServer):
    """A server whose answers a test gives: (path, query, headers, body) → (status, document)."""

    daemon_threads = True

    def __init__(self) -> None:
        """Serve from a thread, on a free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, Any]] = []
        self.connections = 0
        self.answer: Answering = lambda *_: (404, {})
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        asked = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((parts.path, asked if asked is not None else query.get("ip")))
        status, document = self.server.answer(parts.path, query, self.headers, asked)
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""


def ipinfo_batch(path: str, query: Any, headers: Any, asked: Any) -> tuple[int, Any]:
    """POST /batch: an object by address, bogons marked, the token in a header."""
    if headers.get("Authorization") != f"Bearer {TOKEN}":
        return 403, {"status": 403, "error": {"title": "Unknown token"}}
    if path != "/batch" or len(asked) > 1000:
        return 400, {}
    known = {
        "hostname": "host.example.net",
        "city": "Sampleton",
        "region": "North",
        "country": "DE",
        "loc": "1.5,2.5",
        "org": "AS64496 Example Net",
        "postal": "0001",
        "timezone": "Etc/UTC",
    }
    return 200, {ip: {"ip": ip, "bogon": True} if ip.startswith("25.") else {"ip": ip, **known} for ip in asked}


def ipinfo_lite(path: str, query: Any, headers: Any, asked: Any) -> tuple[int, Any]:
    """GET /lite/{ip}: country and network only."""
    if headers.get("Authorization") != f"Bearer {TOKEN}":
        return 403, {}
    ip = path.removeprefix("/lite/")
    if ip.startswith("25."):
        return 200, {"ip": ip, "bogon": True}
    network = {"asn": "AS64496", "as_name": "Example Net", "as_domain": "example.net"}
    return 200, {"ip": ip, **network, "country_code": "DE", "country": "Germany", "continent": "Europe"}


def v3(ip: str) -> Any:
    """Return ipgeolocation's answer in its third version."""
    location = {"country_code2": "DE", "country_name": "Germany", "state_prov": "North", "city": "Sampleton"}
    asn = {"as_number": "AS64496", "organization": "Example Net", "country": "DE"}
    place = {"location": {**location, "latitude": "1.50000", "longitude": "2.50000"}}
    return {"ip": ip, **place, "asn": asn, "currency": {}, "time_zone": {"name": "Etc/UTC"}}


def legacy(ip: str) -> Any:
    """Return ipgeolocation's older answer."""
    place = {"country_code2": "DE", "country_name": "Germany", "state_prov": "North", "city": "Sampleton"}
    network = {"isp": "Example ISP", "organization": "Example Net", "asn": "AS64496"}
    zone = {"name": "Etc/UTC", "offset": 0}
    return {"ip": ip, **place, "latitude": "1.50000", "longitude": "2.50000", **network, "time_zone": zone}


def ipgeolocation(path: str, query: dict[str, str], headers: Any, asked: Any) -> tuple[int, Any]:
    """Speak /v3/ipgeo, /ipgeo and their bulk forms; 401 without the key, 423 for a bogon."""
    if query.get("apiKey") != TOKEN:
        return 401, {"message": "Provided API key is not valid."}
    layout = v3 if path.startswith("/v3/") else legacy
    if path.endswith("-bulk"):
        return 200, [{"message": "bogon"} if ip.startswith("25.") else layout(ip) for ip in asked["ips"]]
    if path not in {"/v3/ipgeo", "/ipgeo"}:
        return 404, "no such page"
    return (423, {"message": "it is a bogon"}) if query["ip"].startswith("25.") else (200, layout(query["ip"]))
