"""Files of addresses and networks that somebody holds to be bad.

One entry a line, in the forms of FireHOL (`192.0.2.0/24`, `#` comments), Spamhaus DROP (`192.0.2.0/24 ; SBL1`, or JSON
lines with `cidr`) and abuse.ch (plain addresses, or CSV with an address in one of its columns). What holds no address
(a header, a comment) is passed over.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec

from cobalt_tasks.errors import ConfigurationError

_SEPARATORS = re.compile(r'[\s,;"]+')
_LONGEST_LINE = 1000
_LARGEST = 256 << 20


class Blocklist:
    """The ranges of one list."""

    def __init__(self, name: str, points: float, lines: Iterable[str]) -> None:
        """Read the lines."""
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
        """Tell whether an address is in the list."""
        parsed = ip_address(address)
        index = bisect_right(self._firsts[parsed.version], int(parsed)) - 1
        return index >= 0 and int(parsed) <= self._lasts[parsed.version][index]


def read(name: str, points: float, file: Path) -> tuple[Blocklist, str]:
    """Read a list from its file; return it with a digest of the file.

    Raises:
        ConfigurationError: it cannot be read, is too large, or holds no address at all.

    """
    try:
        if file.stat().st_size > _LARGEST:
            raise ConfigurationError(f"the blocklist {file} is larger than {_LARGEST >> 20} MiB")
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the blocklist {file} cannot be read: {error.strerror}") from error
    found = Blocklist(name, points, content.decode("utf-8", "replace").splitlines())
    if not len(found):
        raise ConfigurationError(f"the blocklist {file} holds no address and no network")
    return found, hashlib.sha256(content).hexdigest()


def parse_line(line: str) -> tuple[int, int, int] | None:
    """Return the version, the first and the last address of a line's entry, or None when it has none."""
    line = line[:_LONGEST_LINE].strip()
    if not line or line[0] in "#;/":
        return None
    if line.startswith("{"):
        try:
            entry = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            return None
        line = str(entry.get("cidr", ""))
    for word in _SEPARATORS.split(line):
        if "." in word or ":" in word:
            try:
                network = ip_network(word, strict=False)
            except ValueError:
                continue
            return network.version, int(network.network_address), int(network.broadcast_address)
    return None


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
