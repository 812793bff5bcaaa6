"""Packet captures (pcap, pcapng), read as the lines that an installed tshark prints of them."""

import os
import shutil
import subprocess
import weakref
from typing import BinaryIO, Final

from cobalt_tasks.core.errors import ConfigurationError

MAGIC: Final = (
    *(b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"),
    b"\x0a\x0d\x0d\x0a",
)
"""The first bytes of pcap in either byte order, with microseconds or nanoseconds, and of pcapng."""

WITHOUT_TSHARK: Final = (
    "a packet capture is read by tshark, which is not installed: install it (Debian and Ubuntu: apt install tshark), "
    "or run it elsewhere: tshark -r FILE -T ek | cobalt ingest -"
)

_FIELDS: Final = (
    *("frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto", "ipv6.nxt", "tcp.srcport"),
    *("tcp.dstport", "udp.srcport", "udp.dstport", "sctp.srcport", "sctp.dstport", "tcp.stream", "udp.stream"),
    *("tcp.time_relative", "udp.time_relative", "tcp.flags", "tls.handshake.extensions_server_name", "http.host"),
    *("http.request.uri", "dns.qry.name", "dns.a", "dns.aaaa"),
)
_END_SECONDS: Final = 5.0
_CUT: Final = b"cut short"
_LONGEST_MESSAGE: Final = 300


class CaptureReader:
    """Reads what tshark prints of a file, forward; the process ends with it."""

    def __init__(self, file: BinaryIO) -> None:
        """Start tshark on a `file` that has a name.

        Raises:
            ConfigurationError: there is no tshark.

        """
        self._name = os.fsdecode(getattr(file, "name", "the capture"))
        program = shutil.which("tshark")
        if program is None:
            raise ConfigurationError(f"{self._name}: {WITHOUT_TSHARK}")
        options = [part for field in _FIELDS for part in ("-e", field)]
        command = [program, "-n", "-r", os.path.abspath(self._name), "-T", "fields", "-E", "header=y", *options]  # noqa: PTH100
        self._process = subprocess.Popen(  # noqa: S603  # a list of arguments, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        weakref.finalize(self, _end, self._process)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        if self._process.stdout is None or self._process.stdout.closed:
            return b""
        data = self._process.stdout.read(size)
        if not data:
            self._finish()
        return data

    def _finish(self) -> None:
        """Raise ConfigurationError if tshark could not read the file; a capture that was cut is read as far as it goes."""
        message = self._process.communicate()[1]
        if self._process.returncode and _CUT not in message:
            lines = message.decode("utf-8", "replace").strip().splitlines() or ["no message"]
            raise ConfigurationError(f"{self._name}: tshark cannot read it: {lines[-1][:_LONGEST_MESSAGE]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait(_END_SECONDS)
