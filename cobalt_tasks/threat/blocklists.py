"""Blocklists: files of malicious addresses and networks.

The forms are those of FireHOL (`192.0.2.0/24`, `#` comments), Spamhaus DROP (`192.0.2.0/24 ; SBL1`, or JSON lines with
`cidr`) and abuse.ch (plain addresses, CSV with an address, `address:port` or URL in one of its columns, JSON in lines or
as one document). What holds no address (a header, a comment) is passed over.

Whole blocks that are never routed (10.0.0.0/8 and the like, which FireHOL's level 1 names) are passed over too: such
entries name what does not belong on the Internet, and would match every host of a local network.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.special_networks import Network

_SEPARATORS = re.compile(r'[\s,;"]+')
_JSON = re.compile(r'\s*(?:\{|\[\s*["{])')
_JSON_ENTRY = re.compile(
    r'"(?:cidr|dst_ip|ip|ip_address|ioc|ioc_value|url)"\s*:\s*"((?:[^"\\]|\\/){1,1000})"',
)
_BYTE_ORDER_MARK = "\ufeff"
_WIDE = 16
"""Prefix length of the smallest private block of its own (192.168.0.0/16): a narrower entry was meant."""

_LONGEST_LINE = 1000
_LARGEST = 256 << 20


class Blocklist:
    """The ranges of one list."""

    def __init__(self, name: str, points: float, lines: Iterable[str]) -> None:
        """Read the entries of a list.

        name: of the list; points: of a finding from it, 0 to 1; lines: text, those without an entry are ignored.
        """
        self.name = name
        self.points = points
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for line in lines:
            if found := parse_line(line):
                ranges[found[0]].append(found[1:])
        self._firsts: dict[int, list[int]] = {}
        self._lasts: dict[int, list[int]] = {}
        for version, each in ranges.items():
            merged = _merged(each)
            self._firsts[version] = [first for first, _ in merged]
            self._lasts[version] = [last for _, last in merged]

    def __len__(self) -> int:
        """Count the separate ranges."""
        return sum(map(len, self._firsts.values()))

    def __contains__(self, address: str) -> bool:
        """Return whether an address is in the list."""
        parsed = ip_address(address)
        index = bisect_right(self._firsts[parsed.version], int(parsed)) - 1
        return index >= 0 and int(parsed) <= self._lasts[parsed.version][index]


def read(name: str, points: float, file: Path) -> tuple[Blocklist, str]:
    """Read a list from its file; return it with the file's SHA-256 in hexadecimal.

    name: of the list; points: of a finding from it, 0 to 1; file: text or JSON, 256 MiB at most.

    Raises:
        ConfigurationError: it cannot be read, is too large, or holds no address at all.

    """
    try:
        if file.stat().st_size > _LARGEST:
            raise ConfigurationError(f"the blocklist {file} is larger than {_LARGEST >> 20} MiB")
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the blocklist {file} cannot be read: {error.strerror}") from error
    found = Blocklist(name, points, entries(content.decode("utf-8", "replace")))
    if not len(found):
        raise ConfigurationError(f"the blocklist {file} holds no address and no network")
    return found, hashlib.sha256(content).hexdigest()


def entries(text: str) -> Iterator[str]:
    """Yield the texts that may hold an entry: lines, or in JSON the values of keys for addresses."""
    text = text.removeprefix(_BYTE_ORDER_MARK)
    if not _JSON.match(text):
        yield from text.splitlines()
        return
    for match in _JSON_ENTRY.finditer(text):
        yield match[1].replace("\\/", "/")


def parse_line(line: str) -> tuple[int, int, int] | None:
    """Return the version, the first and the last address of a line's entry, or None when it has none."""
    line = line[:_LONGEST_LINE].strip()
    if not line or line[0] in "#;/":
        return None
    for word in _SEPARATORS.split(line):
        network = _network(word) if "." in word or ":" in word else None
        if network is not None:
            first, last = network.network_address, network.broadcast_address
            is_block = network.prefixlen <= _WIDE and not is_public(str(first)) and not is_public(str(last))
            return None if is_block else (network.version, int(first), int(last))
    return None


def _network(word: str) -> Network | None:
    """Read a network, an address, an address with a port, or a URL with an address for its host."""
    if "://" in word:
        word = word.split("://", 1)[1].split("/", 1)[0].rpartition("@")[2]
    if word.startswith("["):
        word = word[1:].partition("]")[0]
    elif word.count(":") == 1:
        word = word.partition(":")[0]
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
