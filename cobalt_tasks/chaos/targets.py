"""The servers that the stack under test asks: DNS, banners and a provider, on loopback; no two answers are the same.

`python -m cobalt_tasks.chaos.targets FOLDER` serves until SIGTERM; FOLDER/targets.json has the addresses.
"""

import asyncio
import itertools
import random
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.reversename
import dns.rrset
import msgspec
from msgspec import Struct

FILE: Final = "targets.json"
CALLS: Final = "provider-calls.log"

CALLS_A_MINUTE: Final = 15
"""What ip-api.com allows (https://ip-api.com/docs/api:batch)."""

_WINDOW: Final = 60.0
_GREETERS: Final = 250
_FIRST_GREETER: Final = IPv4Address("127.66.0.1")
_TTL: Final = 3600
_SLOW_ANSWERS: Final = 0.03
_OK: Final = 200
_TOO_MANY: Final = 429


class Targets(Struct, frozen=True, kw_only=True):
    """Where everything is. `greeters` are TCP services that send a different banner to each client."""

    resolver: str
    provider_url: str
    greeters: list[str]
    greeter_port: int


class _Names(asyncio.DatagramProtocol):
    """Answers each query with a new name, so that a result that is written twice shows as two names."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            wire = self._answer(dns.message.from_wire(data)).to_wire()
        except (dns.exception.DNSException, ValueError, IndexError):
            return
        pause = random.uniform(0.3, 1.5) if random.random() < _SLOW_ANSWERS else 0.0  # noqa: S311
        asyncio.get_running_loop().call_later(pause, self._send, wire, addr)

    def _send(self, wire: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(wire, addr)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        question = query.question[0]
        if question.rdtype == dns.rdatatype.PTR:
            address = dns.reversename.to_address(question.name).replace(".", "-")
            text = f"n{next(self._numbers)}.{address}.chaos.example."
        elif question.rdtype == dns.rdatatype.A:
            text = question.name.labels[1].decode().replace("-", ".")
        else:
            return response
        response.answer.append(dns.rrset.from_text(question.name, _TTL, "IN", question.rdtype, text))
        return response


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a banner that no other client gets, after a moment."""
    try:
        await asyncio.sleep(random.uniform(0.0, 2.0))  # noqa: S311
        writer.write(b"SSH-2.0-Chaos_%d\r\n" % time.monotonic_ns())
        async with asyncio.timeout(5):
            await reader.read(1024)
    except (OSError, TimeoutError):
        return
    finally:
        writer.transport.abort()


class _Provider(ThreadingHTTPServer):
    """ip-api's batch endpoint, which logs every call with the status it got."""

    daemon_threads = True

    def __init__(self, log: Path) -> None:
        super().__init__(("127.0.0.1", 0), _ProviderHandler)
        self._log = log
        self._lock = threading.Lock()
        self._ends = 0.0
        self._used = 0

    def count(self, addresses: int) -> tuple[int, int, int]:
        """Count a call; return its status, what is left, and the seconds to the end of the window, cut off."""
        with self._lock:
            now = time.monotonic()
            if now >= self._ends:
                self._ends, self._used = now + _WINDOW, 0
            self._used += 1
            status = _OK if self._used <= CALLS_A_MINUTE else _TOO_MANY
            with self._log.open("a") as file:
                file.write(f"{time.time():.3f} {status} {addresses}\n")
            return status, max(0, CALLS_A_MINUTE - self._used), int(self._ends - now)


class _ProviderHandler(BaseHTTPRequestHandler):
    server: _Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])), type=list[str])
        status, left, ends = self.server.count(len(asked))
        body = msgspec.json.encode([_entry(address) for address in asked]) if status == _OK else b""
        self.send_response(status)
        for name, value in (("X-Rl", left), ("X-Ttl", ends), ("Content-Length", len(body))):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def _entry(address: str) -> dict[str, object]:
    place = {"country": "Exampleland", "countryCode": "EX", "city": "Sampleton", "lat": 1.5, "lon": 2.5}
    return {"status": "success", "query": address, **place}


async def _serve(folder: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    transport, _ = await loop.create_datagram_endpoint(_Names, local_addr=("127.0.0.1", 0))
    first, *others = [str(_FIRST_GREETER + number) for number in range(_GREETERS)]
    servers = [await asyncio.start_server(_greet, first, 0)]
    port = servers[0].sockets[0].getsockname()[1]
    servers.append(await asyncio.start_server(_greet, others, port))
    provider = _Provider(folder / CALLS)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    host, resolver_port = transport.get_extra_info("sockname")
    targets = Targets(
        resolver=f"{host}:{resolver_port}",
        provider_url=f"http://127.0.0.1:{provider.server_port}",
        greeters=[first, *others],
        greeter_port=port,
    )
    written = folder / f"{FILE}.new"
    written.write_bytes(msgspec.json.encode(targets))
    written.rename(folder / FILE)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
