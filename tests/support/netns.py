"""A network of its own: a namespace for the program, and one in which any address answers. Needs root.

No packet can leave it: the only way out of the first namespace leads into the second, which has no other.
"""

import ctypes
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

OWN, GATEWAY = "172.31.255.2", "172.31.255.1"
_OWN6, _GATEWAY6 = "fd00:31::2", "fd00:31::1"
_CLONE_NEWNET = 0x40000000
_ALL, _IPV4, _IPV6 = 0x0003, 0x0800, 0x86DD
_SOL_PACKET, _STATISTICS = 263, 6


class Network:
    """Two namespaces, joined by a pair of virtual interfaces."""

    def __init__(self, name: str) -> None:
        """Make them; `name` is the first part of their names."""
        self.inside, self.outside = f"{name}-in", f"{name}-out"
        for each in (self.inside, self.outside):
            _ip("netns", "add", each)
        _ip("-n", self.inside, "link", "add", "way", "type", "veth", "peer", "name", "way", "netns", self.outside)
        for name_space, own, own6 in ((self.inside, OWN, _OWN6), (self.outside, GATEWAY, _GATEWAY6)):
            _ip("-n", name_space, "link", "set", "lo", "up")
            _ip("-n", name_space, "link", "set", "way", "up")
            _ip("-n", name_space, "address", "add", f"{own}/30", "dev", "way")
            _ip("-n", name_space, "address", "add", f"{own6}/64", "dev", "way", "nodad")
        _ip("-n", self.inside, "route", "add", "default", "via", GATEWAY)
        _ip("-n", self.inside, "-6", "route", "add", "default", "via", _GATEWAY6)
        # Every address lives there, also those that must not receive anything.
        _ip("-n", self.outside, "route", "add", "local", "default", "dev", "lo", "table", "main")
        _ip("-n", self.outside, "-6", "route", "add", "local", "default", "dev", "lo", "table", "main")

    def remove(self) -> None:
        """Remove them with all that is in them."""
        for each in (self.inside, self.outside):
            _ip("netns", "delete", each)

    def listen(self, kind: socket.SocketKind, port: int, address: str = "") -> socket.socket:
        """Return a socket that has this port at an IPv4 address, without one at every address of IPv4 and IPv6.

        address: for datagrams, whose answers must come from where they were sent to.
        """

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET6, kind)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.bind((f"::ffff:{address}" if address else "::", port))
            if kind is socket.SOCK_STREAM:
                made.listen(64)
            return made

        return _within(self.outside, make)

    def drop(self, address: str) -> None:
        """Let packets to an IPv4 address vanish without an answer."""
        _ip("-n", self.outside, "route", "add", "blackhole", address)

    def within(self, work: Callable[[], T]) -> T:
        """Call in a thread of the program's namespace."""
        return _within(self.inside, work)

    def watch(self) -> "Sent":
        """Start to count what is sent from the program's namespace."""
        return Sent(
            _within(self.inside, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(_ALL)))
        )


class Sent:
    """Counts the packets that leave a namespace on any of its interfaces, by destination."""

    def __init__(self, packets: socket.socket) -> None:
        """Read from a packet socket, in a thread."""
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self._packets = packets
        self._packets.settimeout(0.1)
        self.counts: dict[str, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Stop; return how many packets were not seen because there were too many."""
        self._done.set()
        self._thread.join()
        _, missed = struct.unpack("II", self._packets.getsockopt(_SOL_PACKET, _STATISTICS, 8))
        self._packets.close()
        return int(missed)

    def _read(self) -> None:
        while True:
            try:
                packet, (_, protocol, kind, *_) = self._packets.recvfrom(64)
            except TimeoutError:
                if self._done.is_set():
                    return
                continue
            if kind != socket.PACKET_OUTGOING or protocol not in {_IPV4, _IPV6}:
                continue
            target = IPv4Address(packet[16:20]) if protocol == _IPV4 else IPv6Address(packet[24:40])
            # The kernel's own search for its neighbour.
            if not (target.is_multicast or target.is_link_local):
                self.counts[str(target)] = self.counts.get(str(target), 0) + 1


@contextmanager
def network(name: str) -> Iterator[Network]:
    """Make a network for the block."""
    assert os.geteuid() == 0, "network namespaces need root: run this test as root"
    made = Network(name)
    try:
        yield made
    finally:
        made.remove()


@contextmanager
def serving(listener: socket.socket, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Call `answer` for each client of a TCP listener, or each time there is a datagram, from threads."""
    done = threading.Event()
    listener.settimeout(0.2)

    def run() -> None:
        while not done.is_set():
            try:
                if listener.type is socket.SOCK_DGRAM:
                    answer(listener)
                else:
                    client, _ = listener.accept()
                    threading.Thread(target=_closing, args=(client, answer), daemon=True).start()
            except TimeoutError:
                continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        listener.close()


def _closing(client: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    with client, suppress(OSError, ValueError):
        client.settimeout(10)
        answer(client)


def _within(name: str, make: Callable[[], T]) -> T:
    """Call in a thread that has joined a namespace; what it opens stays there."""
    made: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _join(name)
            made.append(make())
        except BaseException as error:  # noqa: BLE001  # raised below, in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _join(name: str) -> None:
    """Let this thread join a namespace."""
    with Path("/run/netns", name).open() as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot join {name}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
