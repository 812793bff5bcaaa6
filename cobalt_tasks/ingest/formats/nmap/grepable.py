"""The grepable form (-oG) of nmap, and masscan's own dialect of it.

nmap puts all ports of a host on a line; masscan one, after a time stamp (not in old versions), and banners on lines of
their own, without one.
"""

import re
from typing import ClassVar, Final

import msgspec

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.masscan.banner import from_escapes
from cobalt_tasks.ingest.formats.nmap import coverage
from cobalt_tasks.ingest.formats.nmap.coverage import ScanNotes
from cobalt_tasks.ingest.formats.nmap.services import service_name, version_parts

_HOST: Final = re.compile(rb"(?:Timestamp: (\d+)\t)?Host: (\S+)(?: \(([^)]*)\))?\t(.*)", re.DOTALL)
_BLANKS: Final = re.compile(
    rb" +(?=(?:Host|Ports?|Status|Protocols|Ignored State|OS|Seq Index|IP ID Seq|Service|Banner): )"
)
"""What stands for the tabs of a line that was copied from a terminal."""

_SPOKEN: Final = re.compile(rb"Port: (\d+)\tService: (\S*)\tBanner: ?(.*)", re.DOTALL)
_NEXT: Final = re.compile(rb", ?(?=\d+/[a-z|]+/\w+/)")
"""Between two ports: a version may hold a comma too."""

_PROBED: Final = re.compile(rb"# Nmap .* as: .*\s-(?:sV|A)(?:\s|$)")
"""The first line of a scan that asks for versions: a name that stands only for the number of its port has a `?` then."""

_PROTOCOLS: Final = b"Protocols: "
"""What -sO found: protocols of IP, where other scans have ports."""

_STARTED: Final = re.compile(rb"# (?:Nmap|Masscan) \S+ scan initiated (\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})")
_DONE: Final = re.compile(rb"# (?:Nmap|Masscan) (?:done|run completed) at ")
_IGNORED: Final = re.compile(rb"\tIgnored State: (\S+) \(\d+\)(?:\t|$)")
_ENTRY_FIELDS: Final = 7
_LONGEST: Final = 128


class _Grepable(KnownLineFormat):
    comment: ClassVar[re.Pattern[bytes]]
    sign: ClassVar[re.Pattern[bytes]]

    def __init__(self) -> None:
        """Start without a scan."""
        self._scan = ScanNotes()

    @property
    def state(self) -> str | None:
        """What the comments of the scan have."""
        return None if self._scan == ScanNotes() else msgspec.json.encode(self._scan).decode()

    @state.setter
    def state(self, text: str | None) -> None:
        # An earlier version kept the time alone.
        known = msgspec.json.decode(text, type=float | ScanNotes) if text else ScanNotes()
        self._scan = known if isinstance(known, ScanNotes) else ScanNotes(when=known)

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise the comment that the tool writes first, or a line as it writes them."""
        return cls.comment.match(line) is not None or cls.sign.match(line) is not None

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether `tail`, the last bytes of the input, has the tool's last comment."""
        return _DONE.match(tail.rstrip().rpartition(b"\n")[2]) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one host's line."""
        if line.startswith(b"#"):
            self._comment(line, batch)
            return
        found = _HOST.fullmatch(line if b"\t" in line else _BLANKS.sub(b"\t", line))
        if found is None:
            raise RefusedError("no grepable line")
        when, host, name, rest = found.groups()
        address = values.address(host.decode("utf-8", "replace"), "host")
        at = values.timestamp(when.decode()) if when else None
        if spoken := _SPOKEN.fullmatch(rest):
            self._banner(address, spoken, batch)
            return
        at = self._scan.when if at is None else at
        if rest.startswith(b"Ports: "):
            entries = _NEXT.split(rest[len(b"Ports: ") :].split(b"\t", 1)[0])
            discoveries = [self._entry(address, at, entry, batch) for entry in entries if entry.strip()]
            batch.name(address, _word(name or b""), "ptr", at)
            for each in discoveries:
                if each is None:
                    batch.ignore()
                else:
                    batch.discover(each)
            self._about(address, at, rest, batch)
            self.covered(address, at, rest, batch)
        elif rest.startswith(_PROTOCOLS):
            listed = rest[len(_PROTOCOLS) :].split(b"\t", 1)[0].split(b",")
            protocols = [values.protocol(_word(each.split(b"/")[0])) for each in listed if b"/open/" in each]
            details = values.details({"protocols": protocols} if protocols else {})
            batch.discover(Discovery(address=address, protocol="ip", port=0, observed_at=at, details=details))
        elif rest.startswith(b"Status: Up"):
            batch.name(address, _word(name or b""), "ptr", at)
            batch.discover(Discovery(address=address, protocol="ip", port=0, observed_at=at))
        elif rest.startswith(b"Status: "):
            batch.ignore()
        else:
            raise RefusedError("neither ports, nor a banner, nor a status")

    def _comment(self, line: bytes, batch: Batch) -> None:
        if started := _STARTED.match(line):
            command = coverage.COMMAND.match(line.decode("utf-8", "replace"))
            covers = coverage.of_command(command[1]) if command else {}
            self._scan = ScanNotes(
                when=values.asctime(started[1].decode()), covers=covers, has_versions=_PROBED.match(line) is not None
            )
            batch.begin_scan()
        elif line.startswith(b"# Ports scanned: "):
            self._scan.covers = coverage.of_comment(line.decode("utf-8", "replace"))
        elif _DONE.match(line):
            scan = batch.scan()
            scan.covers, scan.ended = self._scan.covers, True

    def covered(self, address: str, when: float | None, rest: bytes, batch: Batch) -> None:
        """Note that a host was scanned to its end, if the tool reports that.

        address: canonical; when: epoch seconds, None if unknown; rest: the line behind the host's name; batch: to add to.
        """

    def _banner(self, address: str, spoken: re.Match[bytes], batch: Batch) -> None:
        batch.discover(
            Discovery(
                address=address,
                protocol="tcp",
                port=values.port(spoken[1].decode(), "port"),
                service=_word(spoken[2]) or "unknown",
                banner=from_escapes(spoken[3]),
            ),
        )

    def _entry(self, address: str, when: float | None, entry: bytes, batch: Batch) -> Discovery | None:
        """Read `port/state/protocol/owner/service/rpc/version/`; a service without a version is only the port's name."""
        fields = [_word(field) for field in entry.strip().split(b"/", _ENTRY_FIELDS)]
        if len(fields) < _ENTRY_FIELDS - 1:
            raise RefusedError(f"no port entry: {entry[:64].decode('utf-8', 'replace')!r}")
        port, state, protocol, owner, name_of_service, rpc, *others = fields
        text = others[0] if others else None
        if state not in {"open", "open|filtered", "closed", "filtered", "unfiltered", "closed|filtered"}:
            raise RefusedError(f"state is none: {state!r}")
        number, name = values.port(port, "port"), values.protocol(protocol)
        if state != "open":
            if state == "closed":
                batch.close(address, name, number, when)
            return None
        # nmap writes | for the / that separates.
        plain = text.replace("|", "/") if text else None
        product, version, extra = version_parts(plain) if plain else (None, None, None)
        service = service_name(name_of_service)
        details = {"owner": owner, "rpc": rpc, "extrainfo": extra}
        is_guess = not self._scan.has_versions or (name_of_service or "").endswith("?")
        known = service if plain or not is_guess or service == "tcpwrapped" else None
        if known is None:
            # It may be only the port's name.
            details["service_by_port"] = service
        return Discovery(
            address=address,
            protocol=name,
            port=number,
            observed_at=when,
            service=known,
            product=product,
            version=version,
            banner=(plain or known or "").encode() if plain or known else None,
            rank=FactRank.VERSION_SCAN,
            details=values.details({key: value for key, value in details.items() if value}),
        )

    def _about(self, address: str, when: float | None, rest: bytes, batch: Batch) -> None:
        """Add what the line has about the host behind its ports: the system, as far as nmap recognised it."""
        pairs = [each.decode("utf-8", "replace").split(": ", 1) for each in rest.split(b"\t")[1:]]
        about = {pair[0].lower().replace(" ", "_")[:_LONGEST]: pair[1][:_LONGEST] for pair in pairs if len(pair) == 2}  # noqa: PLR2004
        about.pop("ignored_state", None)
        if about:
            details = values.details(about)
            batch.discover(Discovery(address=address, protocol="ip", port=0, observed_at=when, details=details))


class MasscanGrepable(_Grepable):
    """Written by masscan -oG."""

    name: ClassVar = "masscan-grepable"
    family: ClassVar = "masscan"
    tool: ClassVar = "masscan"
    summary: ClassVar = "-oG"
    comment: ClassVar = re.compile(rb"# Masscan ")
    sign: ClassVar = re.compile(rb"Timestamp: \d+\tHost: |Host: \S+ \(\)\tPort(?:: |s: \d+/\w+/\w+//[^/]*//$)")
    """Old versions have no time stamp; nmap's entries end in one slash more."""


class NmapGrepable(_Grepable):
    """Written by nmap -oG."""

    name: ClassVar = "nmap-grepable"
    family: ClassVar = "nmap"
    tool: ClassVar = "nmap"
    summary: ClassVar = "-oG"
    comment: ClassVar = re.compile(rb"# Nmap \S+ scan initiated .*-o[GA]")
    sign: ClassVar = re.compile(rb"Host: \S+(?: \([^)]*\))?\s+(?:Ports|Protocols|Status): ")

    def covered(self, address: str, when: float | None, rest: bytes, batch: Batch) -> None:
        """Note a host with its ports: `address`, `when` (epoch seconds or None), `rest` of its line, in `batch`."""
        batch.cover(address, when, is_rest_closed=_IGNORED.findall(rest) == [b"closed"])


def _word(field: bytes) -> str | None:
    return values.text(field.decode("utf-8", "replace").strip(), _LONGEST)
