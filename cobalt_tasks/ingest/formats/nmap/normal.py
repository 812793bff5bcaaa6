"""nmap's normal output: what a terminal shows, and what -oN and -oA write. A record is a line; a host is read as a whole."""

import re
from typing import Any, ClassVar, Final

import msgspec

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import wrapped
from cobalt_tasks.ingest.formats.base import BLANK, Format
from cobalt_tasks.ingest.formats.encoding import certificates_of
from cobalt_tasks.ingest.formats.nmap import coverage
from cobalt_tasks.ingest.formats.nmap.coverage import ScanNotes
from cobalt_tasks.ingest.formats.nmap.services import local_time, service_name, version_parts

REPORT: Final = b"Nmap scan report for "
_STARTS: Final = re.compile(
    rb"(?m)^(?:Nmap scan report for |Interesting (?:protocol )?ports on |Host \S+ (?:\(\S+\) )?(?:appears to be|is) up)"
)
_DONE: Final = re.compile(rb"(?m)^(?:# )?Nmap (?:done|finished|run completed)(?: at|:| --).*\n")
_ENDED: Final = re.compile(r"(?:# )?Nmap (?:done|finished|run completed)(?: at|:| --) ")
_GREPABLE: Final = re.compile(rb"Host: \S+(?: \([^)\n]*\))?\s+(?:Ports|Protocols|Status): ")
_ONLY_CLOSED: Final = re.compile(
    r"Not shown: \d+ closed (?:\w+ )?ports(?: \([^)]*\))?$|All \d+ scanned ports on .* are closed"
)
_SKIPPED: Final = re.compile(r"Skipping host (\S+) ")
_TARGET: Final = re.compile(
    r"(?:Nmap scan report for|Interesting (?:protocol )?ports on|Host|All \d+ scanned ports on) (?:([^\s(]+) ?\((\S+?)\)|(\S+?))"
    r"(?: \[host down.*\]|:| (?:appears to be|is) up.*| are (?:closed|filtered|unfiltered)\b.*)?$"
)
"""Where a host starts: as nmap writes it since 5.21, and before."""

_REASON: Final = re.compile(r"([a-z][a-z-]*)(?: ttl (\d{1,3}))?(?:\s+(.*))?$")
_PORT: Final = re.compile(r"(\d+)/(\w+)\s+([a-z|]+)\s+(\S+)(.*)$")
_PROTOCOL: Final = re.compile(r"(\d{1,3})\s+open\s")
_SPOKEN: Final = "PROTOCOL "
"""The start of the columns of -sO."""

_HEARD: Final = re.compile(r"Host is up.* latency\)\.")
HEADER: Final = re.compile(r"PORT\s+STATE\s+SERVICE")
_DISCOVERED: Final = re.compile(r"Discovered open port (\d+)/(\w+) on (\S+)(?:\s+|$)")
_MAC: Final = re.compile(r"MAC Address: (\S+)(?: \((.*)\))?$")
_ABOUT: Final = re.compile(
    r"(Device type|Running|Running \(JUST GUESSING\)|OS CPE|OS details|Aggressive OS guesses|Service Info|Network Distance"
    r"|Uptime guess|Other addresses for [^:]*|rDNS record for [^:]*|Not shown|TCP Sequence Prediction|Too many fingerprints"
    r"[^:]*|Host script results|IP ID Sequence Generation): ?(.*)$"
)
_TIME: Final = re.compile(
    r"(?:# Nmap \S+ scan initiated (\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})|Starting [Nn]map .* at (\d{4}-\d\d-\d\d \d\d:\d\d) (\S+)"
    r"|Scanned at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\S+))"
)
_SCRIPT: Final = re.compile(r"\|[ _]([a-z0-9][\w.-]*): ?(.*)$")
_STATES: Final = frozenset({"open", "closed", "filtered", "unfiltered", "open|filtered", "closed|filtered"})
_LONGEST_TEXT: Final = 1024
_LONGEST: Final = 128
_MOST_SCRIPTS: Final = 64
_LAST_LINES: Final = 3
_HIGHEST_TTL: Final = 255


class Host:
    """One host, while its lines are read."""

    def __init__(self, address: str, when: float | None) -> None:
        """Start without a port; `address` is canonical, `when` epoch seconds, None for the arrival."""
        self.address = address
        self.when = when
        self.is_up = True
        self.is_skipped = False
        self.is_heard = False
        self.is_rest_closed = False
        self.closed: list[tuple[str, int]] = []
        self.about: dict[str, Any] = {}
        self.ports: list[tuple[Discovery | None, dict[str, Any], list[str]]] = []
        self.scripts: list[str] = []


class NmapNormal(Format):
    """Hosts, ports, services with versions, MAC addresses, guesses about the system, and the output of scripts."""

    name: ClassVar = "nmap-normal"
    family: ClassVar = "nmap"
    tool: ClassVar = "nmap"
    summary: ClassVar = "what it prints, -oN, and the .nmap file of -oA"
    longest: ClassVar[int] = 16 << 20
    unwraps: ClassVar[bool] = True

    def __init__(self) -> None:
        """Start without a scan."""
        self._scan = ScanNotes()
        self._host: Host | None = None
        self._columns = ""

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the lines that only this output has."""
        lines = [line.strip(BLANK) for line in sample.split(b"\n")]
        signs = (
            REPORT,
            b"Interesting ports on ",
            b"Starting Nmap ",
            b"Starting nmap ",
            b"Nmap done",
            b"# Nmap done",
            b"Host is up",
            b"Not shown: ",
        )
        found = sum(10 for line in lines if line.startswith(signs) or (line[:4] == b"PORT" and b"STATE" in line))
        found += sum(1 for line in lines if line.startswith((b"# Nmap ", b"Discovered open port ")))
        return found if _GREPABLE.search(sample) is None else 0

    @property
    def state(self) -> str | None:
        """What the first lines of the scan have."""
        return None if self._scan == ScanNotes() else msgspec.json.encode(self._scan).decode()

    @state.setter
    def state(self, text: str | None) -> None:
        # An earlier version kept the time alone.
        known = msgspec.json.decode(text, type=float | ScanNotes) if text else ScanNotes()
        self._scan = known if isinstance(known, ScanNotes) else ScanNotes(when=known)

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether `tail`, the last bytes of the input, has the line that nmap prints last."""
        return any(_DONE.match(line + b"\n") for line in tail.rstrip().split(b"\n")[-_LAST_LINES:])

    def split(self, data: bytes) -> int:
        """Cut where the last host starts, or behind the end of a scan."""
        ends = [found.end() for found in _DONE.finditer(data)]
        starts = [found.start() for found in _STARTS.finditer(data)]
        return max([0, *ends[-1:], *starts[-1:]])

    def resume(self, data: bytes) -> int:
        """Go on at the next host."""
        found = _STARTS.search(data)
        return found.start() if found else 0

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read the lines of `data`, which starts at byte `position`, into `batch`."""
        for at, line in wrapped.lines(data, position, batch):
            text = line.rpartition(b"\r")[2] if not line.endswith(b"\r") else line
            if text.strip(BLANK):
                try:
                    self._line(text.decode("utf-8", "replace").strip("\r\t "), batch)
                except RefusedError as refused:
                    batch.reject(at, str(refused), line)
        self._flush(batch)

    def _line(self, text: str, batch: Batch) -> None:
        if found := _TARGET.fullmatch(text):
            if self._host is not None and (found[2] or found[3]) == self._host.address:
                # What a version of nmap writes as the first line of a host, another writes as the second.
                self._about_host(self._host, text, batch)
                return
            self._flush(batch)
            self._start(found, text, batch)
        elif _DISCOVERED.match(text):
            self._discovered(text, batch)
        elif found := _TIME.match(text):
            self._read_time(found)
            if not found[4]:
                command = coverage.COMMAND.match(text)
                self._scan.covers = coverage.of_command(command[1]) if command else {}
                batch.begin_scan()
        elif _ENDED.match(text):
            self._flush(batch)
            scan = batch.scan()
            scan.covers, scan.ended = self._scan.covers, True
        elif self._host is not None:
            self._about_host(self._host, text, batch)
        elif _PORT.match(text):
            raise RefusedError("no host before it")

    def _discovered(self, text: str, batch: Batch) -> None:
        """Add the port of a line of -v, or the several ports of one that was copied from a terminal as it was filled up."""
        ports = [
            (values.address(found[3], "address"), values.protocol(found[2]), values.port(found[1], "port"))
            for found in _DISCOVERED.finditer(text)
        ]
        for address, protocol, port in ports:
            batch.discover(Discovery(address=address, protocol=protocol, port=port, observed_at=self._scan.when))

    def _start(self, found: re.Match[str], text: str, batch: Batch) -> None:
        name, address, alone = found.groups()
        if not values.is_address(address or alone):
            raise RefusedError(f"{(address or alone)[:64]} is a name and no address")
        self._host = Host(values.address(address or alone, "address"), self._scan.when)
        self._columns = ""
        self._host.is_up = "[host down" not in text
        self._host.is_rest_closed = _ONLY_CLOSED.match(text) is not None
        batch.name(self._host.address, name, "ptr", self._scan.when)

    def _read_time(self, found: re.Match[str]) -> None:
        text, zone = (found[1], "") if found[1] else (found[2] or found[4], found[3] or found[5])
        form = "%a %b %d %H:%M:%S %Y" if found[1] else "%Y-%m-%d %H:%M:%S" if found[4] else "%Y-%m-%d %H:%M"
        seconds = local_time(text, form, zone)
        if seconds is None:
            return
        if self._host is None:
            self._scan.when = seconds
        else:
            self._host.when = seconds

    def _about_host(self, host: Host, text: str, batch: Batch) -> None:
        host.is_rest_closed = host.is_rest_closed or _ONLY_CLOSED.match(text) is not None
        host.is_heard = host.is_heard or _HEARD.match(text) is not None
        if HEADER.match(text) or text.startswith(_SPOKEN):
            self._columns = text
        elif self._columns.startswith(_SPOKEN) and (found := _PROTOCOL.match(text)):
            host.about.setdefault("protocols", []).append(values.protocol(found[1]))
        elif text.startswith(("|", "SF")):
            (host.ports[-1][2] if host.ports and not host.scripts else host.scripts).append(text)
        elif text == "Host script results:":
            host.scripts.append(text)
        elif found := _PORT.match(text):
            self._port(host, found)
        elif _SKIPPED.match(text):
            host.is_skipped = True
        elif found := _MAC.fullmatch(text):
            host.about |= {"mac": found[1], **({"vendor": found[2]} if found[2] not in (None, "Unknown") else {})}
        elif found := _ABOUT.fullmatch(text):
            host.about[found[1].lower().replace(" ", "_")[:_LONGEST]] = found[2][:_LONGEST_TEXT]
            if found[1].startswith("rDNS record for"):
                batch.name(host.address, found[2], "ptr", host.when)

    def _port(self, host: Host, found: re.Match[str]) -> None:
        number, protocol, state, service, rest = found.groups()
        if state not in _STATES:
            raise RefusedError(f"state is none: {state[:32]!r}")
        port, name = values.port(number, "port"), values.protocol(protocol)
        if state != "open":
            host.ports.append((None, {}, []))
            if state == "closed":
                host.closed.append((name, port))
            return
        version, reason, ttl = rest.strip(), None, None
        if "REASON" in self._columns and (why := _REASON.match(version)):
            reason, ttl, version = why[1], why[2], why[3] or ""
        has_versions = "VERSION" in self._columns
        details: dict[str, Any] = {}
        is_guess = service.endswith("?") or not has_versions
        product, number_text, extra = version_parts(version) if version and has_versions else (None, None, None)
        if extra:
            details["extrainfo"] = extra
        if is_guess and not (version and has_versions):
            details["service_by_port"] = service.rstrip("?")
        known = None if "service_by_port" in details else service_name(service)
        discovery = Discovery(
            address=host.address,
            protocol=name,
            port=port,
            observed_at=host.when,
            reason=values.text(reason, _LONGEST),
            ttl=int(ttl) if ttl and int(ttl) <= _HIGHEST_TTL else None,
            service=known,
            product=product,
            version=number_text,
            banner=((version if has_versions else "") or known).encode() if known else None,
            rank=FactRank.VERSION_SCAN,
        )
        host.ports.append((discovery, details, []))

    def _flush(self, batch: Batch) -> None:
        """Add the host that was read."""
        host, self._host = self._host, None
        if host is None:
            return
        if not host.is_up:
            batch.ignore()
            return
        for found, details, output in host.ports:
            if found is None:
                batch.ignore()
                continue
            scripts = _scripts(output)
            kept = {**details, **({"scripts": scripts} if scripts else {})}
            batch.discover(_with(found, kept))
            for der in certificates_of("\n".join(each.lstrip("|_ ") for each in output)):
                batch.certificate(found.address, found.protocol, found.port, der, host.when)
        for protocol, port in host.closed:
            batch.close(host.address, protocol, port, host.when)
        if not host.is_skipped and (host.ports or host.is_rest_closed):
            batch.cover(host.address, host.when, is_rest_closed=host.is_rest_closed)
        scripts = _scripts(host.scripts)
        kept = {**host.about, **({"scripts": scripts} if scripts else {})}
        batch.hardware(host.address, kept.get("mac"), kept.get("vendor"), host.when)
        kept.pop("not_shown", None)
        # With -Pn each host counts as up; one that refused has answered.
        is_up = (host.is_heard or host.closed) and all(found is None for found, _, _ in host.ports)
        if kept or is_up or not host.ports:
            up = Discovery(address=host.address, protocol="ip", port=0, observed_at=host.when)
            batch.discover(_with(up, kept))


def _with(found: Discovery, details: dict[str, Any]) -> Discovery:
    return msgspec.structs.replace(found, details=values.details(details))


def _scripts(output: list[str]) -> dict[str, str]:
    """Return the output of each script by its name."""
    found: dict[str, str] = {}
    name = ""
    for line in output:
        if (start := _SCRIPT.match(line)) and len(found) < _MOST_SCRIPTS:
            name = start[1]
            found[name] = start[2]
        elif name:
            found[name] = f"{found[name]}\n{line.lstrip('|_ ')}"[:_LONGEST_TEXT]
    return {each: text.strip() for each, text in found.items()}
