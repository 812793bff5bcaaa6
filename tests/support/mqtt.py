"""A broker of MQTT 3.1.1 that accepts clients and keeps what they publish: enough to see what arrives."""

import contextlib
import socket
import threading
from collections.abc import Iterator

_CONNECT, _PUBLISH, _PINGREQ, _DISCONNECT = 1, 3, 12, 14


@contextlib.contextmanager
def broker() -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Run a broker on a free port of 127.0.0.1; yield the port, and the (topic, text) of each message that arrives."""
    arrived: list[tuple[str, str]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, arrived), daemon=True).start()
        yield listener.getsockname()[1], arrived


def _accept(listener: socket.socket, arrived: list[tuple[str, str]]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, arrived), daemon=True).start()


def _serve(client: socket.socket, arrived: list[tuple[str, str]]) -> None:
    with client, client.makefile("rb") as packets, contextlib.suppress(OSError):
        while head := packets.read(1):
            kind, quality = head[0] >> 4, head[0] >> 1 & 3
            length, shift = 0, 0
            while True:
                (byte,) = packets.read(1)
                length, shift = length | (byte & 0x7F) << shift, shift + 7
                if byte < 0x80:
                    break
            body = packets.read(length)
            if kind == _CONNECT:
                client.sendall(b"\x20\x02\x00\x00")
            elif kind == _PUBLISH:
                end = 2 + int.from_bytes(body[:2])
                topic, rest = body[2:end].decode(), body[end:]
                if quality:
                    client.sendall(b"\x40\x02" + rest[:2])
                    rest = rest[2:]
                arrived.append((topic, rest.decode()))
            elif kind == _PINGREQ:
                client.sendall(b"\xd0\x00")
            elif kind == _DISCONNECT:
                return
