"""The connections of this machine as capture lines, read from the operating system."""

import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final

import msgspec
import psutil

from cobalt_tasks.core.errors import CobaltError

HEARTBEAT_SECONDS: Final = 20.0
_REMEMBERED_NAMES: Final = 10_000
_TRANSPORTS: Final = {1: "TCP", 2: "UDP"}
"""socket.SOCK_STREAM and SOCK_DGRAM."""

Key = tuple[str, int, str, int, str]


class Watcher:
    """Sees connections come. One that stays is reported once; one that ends and comes again is new again."""

    def __init__(self, *, loopback: bool = False) -> None:
        """Start with nothing known. Connections of this machine with itself are left out unless `loopback`."""
        self._loopback = loopback
        self._known: set[Key] = set()
        self._names: dict[int, str | None] = {}
        self._scans = 0

    def look(self) -> Iterator[bytes]:
        """Yield a line for each connection that was not there at the last look.

        Raises:
            CobaltError: the system does not show connections.

        """
        try:
            sockets = psutil.net_connections(kind="inet")
        except psutil.AccessDenied:
            raise CobaltError("the system shows connections only to root here: run it with sudo") from None
        now, seen = time.time(), set()
        listening = {
            (int(each.type), each.laddr.port)
            for each in sockets
            if each.laddr and (each.status == psutil.CONN_LISTEN or not each.raddr)
        }
        for each in sockets:
            if not each.raddr or not each.laddr or each.status == psutil.CONN_LISTEN:
                continue
            transport = _TRANSPORTS.get(int(each.type), "IP")
            client, server = each.laddr, each.raddr
            if is_server := (int(each.type), each.laddr.port) in listening:
                client, server = server, client
            key = (client.ip, client.port, server.ip, server.port, transport)
            if not self._loopback and _is_loopback(each.raddr.ip):
                continue
            if key not in self._known and key not in seen:
                yield _line(key, each.status, self._name(each.pid), now, is_server=is_server)
            seen.add(key)
        self._known = seen
        self._scans += 1

    def heartbeat(self) -> bytes:
        """Return the line that shows that the capture still runs."""
        beat = {
            "type": "heartbeat",
            "timestamp": time.time(),
            "scan_count": self._scans,
            "active_endpoints": len(self._known),
        }
        return msgspec.json.encode(beat) + b"\n"

    def _name(self, pid: int | None) -> str | None:
        if pid is None:
            return None
        if pid not in self._names:
            if len(self._names) >= _REMEMBERED_NAMES:
                self._names.clear()
            try:
                self._names[pid] = psutil.Process(pid).name()
            except psutil.Error:
                self._names[pid] = None
        return self._names[pid]


def watch(write: Callable[[bytes], Any], *, interval: float, loopback: bool, stopping: Callable[[float], bool]) -> None:
    """Write lines until it is to end.

    write: called with each line; interval: seconds between two looks; loopback: whether connections of this machine with
    itself count; stopping: called with the seconds to wait, returns whether to end.

    Raises:
        CobaltError: the system does not show connections.

    """
    watcher = Watcher(loopback=loopback)
    last_beat = time.monotonic()
    while True:
        for line in watcher.look():
            write(line)
        if time.monotonic() - last_beat >= HEARTBEAT_SECONDS:
            last_beat = time.monotonic()
            write(watcher.heartbeat())
        if stopping(interval):
            return


def _line(key: Key, state: str, process: str | None, now: float, *, is_server: bool) -> bytes:
    """Return a connection, from its client to its server, as a line; this machine is the server if it listens there."""
    src_ip, src_port, dst_ip, dst_port, transport = key
    metadata = {"protocol": transport, "state": state, **({"process": process} if process else {})}
    if is_server:
        metadata["direction"] = "this machine listens on the port"
    seen = {
        "type": "connection",
        "event": "new",
        "timestamp": now,
        "src_ip": src_ip,
        "src_port": src_port,
        "dst_ip": dst_ip,
        "dst_port": dst_port,
        "metadata": metadata,
    }
    return msgspec.json.encode(seen) + b"\n"


def _is_loopback(address: str) -> bool:
    parsed = ip_address(address.split("%", 1)[0])
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
