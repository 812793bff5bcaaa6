"""netstat -an of Linux, BSD, macOS and Windows."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.sockets.table import CONNECTED, SocketTable

_UNIX: Final = re.compile(
    r"(?:[0-9a-f]{8,16}\s+(?:[0-9a-f]{1,8}\s+)?)?(tcp|udp|sctp|udplite)([46]{1,2}|lite)?\s+(?:(\d+)\s+(\d+)\s+(?:\d+\s+)?)?(\S+)\s+(\S+)(?:\s+(.*))?",
    re.IGNORECASE,
)
_WINDOWS: Final = re.compile(r"(TCP|UDP)\s+(\S+)\s+(\S+)(?:\s+([^\W\d]\w*))?(?:\s+(\d+))?(?:\s+\w+)?")
_HEADERS: Final = (
    *(
        "Active ",
        "Proto ",
        "Proto/ID ",
        "Aktive ",
        "Connexions ",
        "Conexiones ",
        "Connessioni ",
        "Protocol ",
        "Registered ",
    ),
    *("Address ", "Socket ", "TCP:", "UDP:", "SCTP:", "Local Address", "Tcpcb ", "-----"),
)
_OTHER: Final = re.compile(r"(?:unix|raw6?|icm\S*|kctl|kevt|stream|dgram|[0-9a-f]{8,16}\s+(?:stream|dgram|seqpac))")
_SOLARIS: Final = re.compile(r"(\S+)\s+(\S+)\s+\d+\s+\d+\s+\d+\s+\d+\s+([A-Z][A-Z0-9_-]+)")
_OWNER: Final = re.compile(r"\[[^\]]+\]|[\w. -]{1,64}")
"""The service and the program that -b of Windows prints below a socket."""

_PROCESS: Final = re.compile(r"\b(\d+)/(\S.*)$")
_OF_MACOS: Final = re.compile(
    r"(?:\d+\s+){4}(\S.{0,63}?):(\d+)\s+[0-9a-f]{5}\s|(?:\d+\s+){2}(?P<pid>\d+)\s+\d+\s+0x[0-9a-f]{4}\s"
)
"""The process in what -v of macOS prints behind the state, with its name or without."""

_LISTEN: Final = frozenset({"LISTEN", "LISTENING", "ABH\u00d6REN", "\u00c9COUTE", "ESCUCHANDO"})
_ANY: Final = frozenset({"*", "0"})
_DIGITS: Final = 9
_NARROWEST: Final = 18
_WIDTHS: Final = frozenset({_NARROWEST, 22, 23})
"""Characters of the columns of addresses: of macOS with -A or -b, of BSD and macOS, of Linux."""


class Netstat(SocketTable):
    """The port stands behind the last colon, or the last dot on BSD and macOS."""

    name: ClassVar = "netstat"
    family: ClassVar = "netstat"
    tool: ClassVar = "netstat"
    summary: ClassVar = "-an, -tunap, -ano: of Linux, BSD, macOS and Windows"
    is_traffic: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise a socket of any of the systems."""
        text = line.decode("utf-8", "replace")
        windows = _WINDOWS.fullmatch(text)
        unix = _UNIX.fullmatch(text) if windows is None else None
        if unix is not None:
            return _end(unix[5]) is not None
        solaris = _SOLARIS.fullmatch(text)
        ends = windows.group(2, 3) if windows else solaris.group(1, 2) if solaris else (None, None)
        return all(each is not None and _end(each) is not None for each in ends)

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one socket, a `line`, into `batch`."""
        text = line.decode("utf-8", "replace")
        if windows := _WINDOWS.fullmatch(text):
            protocol, local, peer = windows[1].lower(), _end(windows[2]), _end(windows[3])
            state, process, pid = windows[4] or "", None, windows[5]
        elif unix := _UNIX.fullmatch(text):
            if _is_cut(unix[5], unix.start(6) - unix.end(5)) or _is_cut(unix[6], unix.start(7) - unix.end(6)):
                raise RefusedError("an address fills its column and may be cut: use netstat -anW")
            protocol, local, peer, rest = unix[1].lower(), _end(unix[5]), _end(unix[6]), unix[7] or ""
            state, _, rest = rest.partition(" ")
            process, pid = _owner(unix[7] or "")
        elif solaris := _SOLARIS.fullmatch(text):
            protocol, local, peer, state, process, pid = (
                "tcp",
                _end(solaris[1]),
                _end(solaris[2]),
                solaris[3],
                None,
                None,
            )
        elif text.startswith(_HEADERS) or _OTHER.match(text):
            if not text.startswith(_HEADERS):
                batch.ignore()
            return
        elif _OWNER.fullmatch(text):
            batch.ignore()
            return
        else:
            raise RefusedError("no line of netstat -an")
        if local is None or peer is None:
            raise RefusedError("no address with a port")
        if state.upper() in _LISTEN or peer[1] in _ANY:
            self.listen(protocol, local[1])
            batch.ignore()
            return
        known: dict[str, Any] = {"state": state} if state.upper() in CONNECTED or _is_word(state) else {}
        known |= {"pid": int(pid)} if pid and len(pid) <= _DIGITS else {}
        self.connect(batch, protocol=protocol, local=local, peer=peer, process=process, details=known)


def _owner(rest: str) -> tuple[str | None, str | None]:
    """Return name and number of the process that has a socket, from what stands behind its addresses."""
    if owner := _PROCESS.search(rest):
        return owner[2].strip(), owner[1]
    shown = _OF_MACOS.search(rest)
    return (shown[1], shown[2] or shown["pid"]) if shown else (None, None)


def _is_cut(text: str, gap: int) -> bool:
    """Return whether an address, with its port, may have been cut: it fills its column, and all of IPv4 fits into most.

    text: the cell; gap: how many blanks follow it.
    """
    is_long = text.count(":") > 1 or (len(text) == _NARROWEST and ":" not in text)
    return gap == 1 and len(text) in _WIDTHS and is_long


def _is_word(state: str) -> bool:
    """Return whether this is a state in another language, as Windows writes it."""
    return state.replace("_", "").isalpha() and state.isupper()


def _end(text: str) -> tuple[str, str] | None:
    """Return address and port, which stands behind the last colon or dot; None without one."""
    host, colon, port = text.rpartition(":")
    if not colon or "." in port:
        host, colon, port = text.rpartition(".")
    # conntrack has pairs there.
    return (host, port) if colon and host and "=" not in host else None
