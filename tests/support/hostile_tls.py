"""TLS 1.2 servers written by hand: they let a client that goes along compute with numbers of their choice."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

DHE_SUITES = frozenset({0x0016, 0x0033, 0x0039, 0x0067, 0x006B, 0x009E, 0x009F, 0xCCAA})
"""TLS_DHE_RSA_WITH_..., by IANA's registry."""

GROUP_BITS = 10_000
"""The largest group OpenSSL computes with."""

_DHE_RSA_AES128_SHA = 0x0033
_RSA_SHA256 = b"\x04\x01"


class Server:
    """What clients offered, by a server that chooses a Diffie-Hellman group of 10,000 bits wherever it may."""

    def __init__(self, address: str) -> None:
        """Listen on a free port of an address."""
        self.offers: list[set[int]] = []
        self.socket = socket.create_server((address, 0))
        self.address, self.port = self.socket.getsockname()[:2]

    def serve(self) -> None:
        """Answer every client in turn until the socket is shut down."""
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, suppress(OSError, EOFError, struct.error, IndexError):
                client.settimeout(30)
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        hello = _record(client)
        random, suites = hello[6:38], _suites(hello)
        self.offers.append(suites)
        if not suites & DHE_SUITES:
            client.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure
            return
        own = os.urandom(32)
        server_hello = b"\x03\x03" + own + b"\x00" + struct.pack(">HB", _DHE_RSA_AES128_SHA, 0)
        key, der = _identity()
        certificate = _sized(3, _sized(3, der))
        modulus = (1 << GROUP_BITS - 1) + (1 << 5000) + 1
        number = _sized(2, modulus.to_bytes(GROUP_BITS // 8))
        parameters = number + _sized(2, b"\x02") + _sized(2, (modulus // 3).to_bytes(GROUP_BITS // 8))
        signature = key.sign(random + own + parameters, padding.PKCS1v15(), hashes.SHA256())
        exchange = parameters + _RSA_SHA256 + _sized(2, signature)
        for kind, body in ((2, server_hello), (11, certificate), (12, exchange), (14, b"")):
            message = bytes([kind]) + _sized(3, body)
            client.sendall(b"\x16\x03\x03" + _sized(2, message))
        client.recv(65536)


@contextmanager
def serving(address: str) -> Iterator[Server]:
    """Serve from a thread while the block lasts."""
    server = Server(address)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            server.socket.shutdown(socket.SHUT_RDWR)
        server.socket.close()
        thread.join(10)


@cache
def _identity() -> tuple[rsa.RSAPrivateKey, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hostile.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _record(client: socket.socket) -> bytes:
    head = _exactly(client, 5)
    return _exactly(client, int.from_bytes(head[3:5]))


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (chunk := client.recv(size - len(data))):
            raise EOFError
        data += chunk
    return data


def _suites(hello: bytes) -> set[int]:
    start = 39 + hello[38]
    (size,) = struct.unpack_from(">H", hello, start)
    return {suite for (suite,) in struct.iter_unpack(">H", hello[start + 2 : start + 2 + size])}


def _sized(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width) + data
