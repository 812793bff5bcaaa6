"""iproute2's `ss`: one socket a line."""

import re
from typing import ClassVar, Final

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import BLANK
from cobalt_tasks.ingest.formats.sockets.table import CONNECTED, SocketTable

_LINE: Final = re.compile(
    r"(?:(tcp|udp|sctp|dccp|mptcp|icmp6|raw)\s+)?([A-Z][A-Z0-9-]+)\s+\d+\s+\d+\s+(\S+):(\S+)\s+(\S+):(\S+)(?:\s+(.*))?"
)
_OTHER: Final = re.compile(r"(?:u_\w+|nl|p_raw|p_dgr|v_str|v_dgr|tipc|xdp|\?\?\?|raw|icmp6)\s+[A-Z]")
"""A socket of another family, as `ss` without -t and -u lists it."""

_STATELESS: Final = re.compile(r"(?:(tcp|udp|sctp|dccp|mptcp)\s+)?\d+\s+\d+\s+(\S+):(\S+)\s+(\S+):(\S+)(?:\s+(.*))?")
"""`ss state established` leaves the column of the state out."""

_BELOW: Final = re.compile(
    rb"\n(?=[ \t]+[a-z_]\w*\b(?![ \t]+(?:[A-Z]{2}|\d+[ \t]+\d+[ \t]))|[ \t]*(?:users|timer|skmem|ino|uid|sk|fwmark|cgroup):)"
)
"""The end of a line below which more stands about its socket: what -i, -m, -e and -o print, and what a terminal was too narrow for."""

_INSIDE: Final = re.compile(r"[a-z_]+:\S|(?:ts|sack|cubic|bbr|reno|send|pacing_rate)\b")
"""The same, where it stands by itself."""

_PROCESS: Final = re.compile(r'users:\(\("((?:[^"\\]|\\.)*)"(?:,pid=(\d{1,9}))?')
_USERS: Final = re.compile(r"\s*users:\(\S*\)\)")
_LONGEST: Final = 512
_HEADERS: Final = (b"Netid ", b"State ", b"Recv-Q ")
_LISTENING: Final = frozenset({"LISTEN", "UNCONN"})
_ANY_STATE: Final = ""
_STATES: Final = CONNECTED | _LISTENING


class Ss(SocketTable):
    """With its first column or without: then all are of TCP, unless one is not connected, as only UDP's are."""

    name: ClassVar = "ss"
    family: ClassVar = "ss"
    tool: ClassVar = "ss"
    summary: ClassVar = "-tunap, -tan and the like; with the listening sockets (-a) it is clear who is the server"
    is_traffic: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise the header, or a socket."""
        found = _LINE.fullmatch(line.decode("utf-8", "replace"))
        return _is_header(line) or (found is not None and found[2] in _STATES)

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the sockets; with the header it is surely of this format: without a state they look as netstat's."""
        return super().score(sample) + 1000 * any(_is_header(line.strip(BLANK)) for line in sample.split(b"\n"))

    def split(self, data: bytes) -> int:
        """Cut where the last socket starts, if more stands below others."""
        end = super().split(data)
        if _BELOW.search(data) is None:
            return end
        at = end - 1
        while at > 0:
            at = data.rfind(b"\n", 0, at)
            if at >= 0 and _BELOW.match(data, at) is None:
                return at + 1
        return 0

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each socket of `data`, which starts at byte `position`, into `batch`, with what stands below it."""
        super().parse(_BELOW.sub(b" ", data), position, batch)

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one socket, a `line`, into `batch`."""
        if _is_header(line):
            return
        text = line.decode("utf-8", "replace")
        if _OTHER.match(text):
            batch.ignore()
            return
        found = _LINE.fullmatch(text)
        short = _STATELESS.fullmatch(text) if found is None else None
        if found is not None:
            protocol, state, local, local_port, peer, peer_port, rest = found.groups()
        elif short is not None:
            protocol, local, local_port, peer, peer_port, rest = short.groups()
            state = _ANY_STATE
        elif _INSIDE.match(text):
            batch.ignore()
            return
        else:
            raise RefusedError("no line of ss -tunap")
        if protocol is None:
            protocol = "udp" if state == "UNCONN" else "tcp"
        if state in _LISTENING:
            self.listen(protocol, local_port)
        if (state not in CONNECTED and state != _ANY_STATE) or peer_port == "*":
            batch.ignore()
            return
        process = _PROCESS.search(rest or "")
        self.connect(
            batch,
            protocol=protocol,
            local=(local, local_port),
            peer=(peer, peer_port),
            process=process[1] if process else None,
            details={
                **({"state": state} if state != _ANY_STATE else {}),
                **({"pid": int(process[2])} if process and process[2] else {}),
                **({"more": more} if (more := " ".join(_USERS.sub("", rest or "").split())[:_LONGEST]) else {}),
            },
        )


def _is_header(line: bytes) -> bool:
    return line.startswith(_HEADERS) and b"Local Address" in line
