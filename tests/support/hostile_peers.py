"""Hostile servers of twenty kinds, and good ones among them: one port for each kind, on any loopback address.

    python -m tests.support.hostile_peers FOLDER

serves until it is killed; the folder is for a certificate of 75 KB.
"""

import asyncio
import datetime as dt
import os
import random
import socket
import ssl
import struct
import sys
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]

FIRST_PORT: Final = 7200
DROPPED: Final = "dropped"
_BACKLOG: Final = 1024
_HOLD: Final = 30.0


async def _drip(_: Reader, writer: Writer) -> None:
    await _slowly(writer, b"x" * 120, 1.0)


async def _endless(_: Reader, writer: Writer) -> None:
    while True:
        await _say(writer, b"A" * 65536)


async def _resets(_: Reader, writer: Writer) -> None:
    _reset(writer)


async def _tls_garbage(reader: Reader, writer: Writer) -> None:
    if await reader.read(1000):
        await _say(writer, b"\x16\x03\x03\x40\x00" + os.urandom(16384))
        await _hold(reader)


async def _redirects(reader: Reader, writer: Writer) -> None:
    await reader.read(2000)
    own = writer.get_extra_info("sockname")
    head = f"HTTP/1.1 302 Found\r\nLocation: http://{own[0]}:{own[1]}/\r\nContent-Length: 0\r\n\r\n"
    await _say(writer, head.encode())


async def _bomb(reader: Reader, writer: Writer) -> None:
    await reader.read(2000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB)
    await _say(writer, head + _BOMB)


async def _escapes(reader: Reader, writer: Writer) -> None:
    await _say(writer, b"220 \x1b[2J\x1b[31mowned\x1b]0;title\x07 \x9b31m ESMTP\r\n")
    await reader.read(100)


async def _invalid(reader: Reader, writer: Writer) -> None:
    await _say(writer, b"\xff\xfe\xc0\xaf\xed\xa0\x80 \xf8\x88\x80 ok \xe2\x80\xae evil\r\n")
    await reader.read(100)


async def _closes(_: Reader, writer: Writer) -> None:
    writer.close()


async def _silent(reader: Reader, _: Writer) -> None:
    await _hold(reader, 2 * _HOLD)


async def _half_hello(reader: Reader, writer: Writer) -> None:
    if await reader.read(1000):
        await _say(writer, _HELLO + os.urandom(20))
        await _hold(reader)


async def _web_drips(reader: Reader, writer: Writer) -> None:
    if await reader.read(1000):
        await _slowly(writer, b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200, 0.04)


async def _tls_drips(reader: Reader, writer: Writer) -> None:
    if await reader.read(1000):
        await _slowly(writer, _HELLO + os.urandom(300), 0.1)


async def _endless_ssh(_: Reader, writer: Writer) -> None:
    while True:
        await _say(writer, b"%x\r\n" % random.getrandbits(32))
        await asyncio.sleep(2)


async def _zeros(reader: Reader, writer: Writer) -> None:
    await _say(writer, bytes(4_000_000))
    await _hold(reader)


async def _endless_lines(_: Reader, writer: Writer) -> None:
    for _ in range(1000):
        await _say(writer, b"220-never ends\r\n")
        await asyncio.sleep(0.02)


async def _greets_and_resets(_: Reader, writer: Writer) -> None:
    await _say(writer, b"hello there\r\n")
    await asyncio.sleep(0.01)
    _reset(writer)


async def _half_open(reader: Reader, writer: Writer) -> None:
    await _say(writer, b"x")
    writer.write_eof()
    await _hold(reader)


async def _echoes(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(4096):
        await _say(writer, data)


async def _good(reader: Reader, writer: Writer) -> None:
    await _say(writer, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    await reader.read(100)


_HELLO: Final = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"
_KINDS: Final[dict[str, Handler]] = {
    each.__name__.lstrip("_"): each
    for each in (
        _good,
        _drip,
        _endless,
        _resets,
        _tls_garbage,
        _redirects,
        _bomb,
        _escapes,
        _invalid,
        _closes,
        _silent,
        _half_hello,
        _web_drips,
        _tls_drips,
        _endless_ssh,
        _zeros,
        _endless_lines,
        _greets_and_resets,
        _half_open,
        _echoes,
    )
}
LARGE: Final = "large_certificate"
PORTS: Final = {name: FIRST_PORT + place for place, name in enumerate([*_KINDS, LARGE, DROPPED])}
"""The port of each kind; `good` is the first."""


def targets(kind: str, count: int) -> list[tuple[str, int]]:
    """Return addresses and the port of servers of one kind.

    Args:
        kind: a name in `PORTS`.
        count: how many, at most 50,000.

    """
    second = list(PORTS).index(kind) + 100
    return [(f"127.{second}.{number // 200}.{number % 200 + 1}", PORTS[kind]) for number in range(count)]


async def serve(certificate: Path) -> None:
    """Serve all kinds. `certificate`: a PEM file with a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for name, handler in [*_KINDS.items(), (LARGE, _silent)]:
        guarded = _guarded(handler)
        await asyncio.start_server(
            guarded, "0.0.0.0", PORTS[name], backlog=_BACKLOG, ssl=context if name == LARGE else None
        )
    full = socket.socket()
    full.bind(("0.0.0.0", PORTS[DROPPED]))
    full.listen(0)
    # With its queue full, the kernel drops what else would connect.
    clients = [socket.socket() for _ in range(4)]
    for each in clients:
        each.setblocking(False)
        with suppress(BlockingIOError):
            each.connect(("127.0.0.1", PORTS[DROPPED]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def large_certificate(folder: Path) -> Path:
    """Make a certificate with 3,000 names; return its file, which holds the key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "large.example")])
    names = x509.SubjectAlternativeName([x509.DNSName(f"name-{number:05}.example") for number in range(3000)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = signed.public_bytes(serialization.Encoding.PEM)
    path = folder / "large.pem"
    path.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, form, no_password))
    return path


def _guarded(handler: Handler) -> Handler:
    async def handle(reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, OSError, ssl.SSLError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.transport.abort()

    return handle


async def _hold(reader: Reader, seconds: float = _HOLD) -> None:
    """Say nothing for so long, or until the client hangs up: thousands that stay open use up the descriptors."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await reader.read(4096):
                pass


async def _say(writer: Writer, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _slowly(writer: Writer, data: bytes, pause: float) -> None:
    for byte in data:
        await _say(writer, bytes([byte]))
        await asyncio.sleep(pause)


def _reset(writer: Writer) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _compressed() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(bytes(50_000_000)) + packer.flush()


_BOMB: Final = _compressed() if __name__ == "__main__" else b""

if __name__ == "__main__":
    asyncio.run(serve(large_certificate(Path(sys.argv[1]))))
