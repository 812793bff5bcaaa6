"""Known input: what is written is counted here, and nowhere else, so that the ledger can be held against it."""

import json
import random
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from msgspec import Struct

from cobalt_tasks.chaos.targets import Targets

_LINES: Final = 1500
_SHARES: Final = (198, 1, 1)
_REPEATED: Final = 0.1
_NEW_PEERS: Final = 12
_REFUSING: Final = 40
_GREETERS: Final = 3
_FIRST_REFUSING: Final = IPv4Address("127.80.0.1")
_FIRST_PEER: Final = IPv4Address("11.0.0.1")
"""Public addresses: they are looked up with the provider and the resolver of this package, and never get a packet."""

REFUSING_PORT: Final = 9

Target = tuple[str, str, int]
"""The kind of a job, its address, and its port or 0."""


class Expected(Struct, kw_only=True):
    """The counts that the ledger must have for one file once it is read."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    ignored: int = 0
    observations: int = 0
    discoveries: int = 0

    @property
    def read(self) -> int:
        """All records of the file."""
        return self.accepted + self.duplicates + self.rejected + self.ignored


class Feed:
    """Writes files, each in two parts that are cut anywhere, and keeps what the ledger must have of them."""

    def __init__(self, folder: Path, targets: Targets, choice: random.Random) -> None:
        """Write nothing yet.

        folder: a new folder for the files; targets: the addresses they name; choice: draws contents and cuts.
        """
        folder.mkdir()
        self.expected: dict[str, Expected] = {}
        self.jobs: set[Target] = set()
        self._folder = folder
        self._targets = targets
        self._choice = choice
        self._rounds = 0
        self._peers: list[str] = []
        self._refusing = 0
        self._rests: dict[Path, bytes] = {}
        self._clock = float(int(time.time()) - 5 * 86400)

    @property
    def is_whole(self) -> bool:
        """Whether every file has its second part."""
        return not self._rests

    def next_files(self) -> list[str]:
        """Write the second part of the last files, or the first part of new ones; return their names."""
        if self._rests:
            rests, self._rests = self._rests, {}
            for file, rest in rests.items():
                with file.open("ab") as opened:
                    opened.write(rest)
            return [str(file) for file in rests]
        self._rounds += 1
        for name, (text, expected) in (
            (f"capture-{self._rounds}.jsonl", self._capture()),
            (f"scan-{self._rounds}.ndjson", self._scan(_REFUSING)),
        ):
            file = self._folder / name
            self.expected[str(file)] = expected
            cut = self._choice.randrange(len(text) // 4, len(text))
            file.write_bytes(text[:cut])
            self._rests[file] = text[cut:]
        return [str(file) for file in self._rests]

    def flood(self, size: int) -> str:
        """Write one large scan; return its name."""
        self._rounds += 1
        file = self._folder / f"scan-{self._rounds}.ndjson"
        text, self.expected[str(file)] = self._scan(size)
        file.write_bytes(text)
        return str(file)

    def _capture(self) -> tuple[bytes, Expected]:
        new = [str(_FIRST_PEER + len(self._peers) + number) for number in range(_NEW_PEERS)]
        self._peers += new
        known = [*new, *self._choice.choices(self._peers, k=20)]
        lines, expected = [], Expected()
        for what in self._choice.choices(("seen", "damaged", "heartbeat"), _SHARES, k=_LINES):
            if what == "damaged":
                lines.append('{"type": "connection", "src_ip": "nowhere", "dst_ip": "192.0.2.1", "dst_port": 1}')
                expected.rejected += 1
            elif what == "heartbeat":
                lines.append('{"type": "heartbeat"}')
                expected.ignored += 1
            else:
                lines.append(self._connection(f"192.0.2.{self._choice.randrange(1, 20)}", self._choice.choice(known)))
                expected.accepted += 1
        expected.observations = expected.accepted
        return _text(lines), expected

    def _connection(self, source: str, peer: str) -> str:
        # Exact in binary, and another for every line.
        self._clock += 1 / 16
        for address in (source, peer):
            self.jobs.add(("domain", address, 0))
        self.jobs.add(("geolocation", peer, 0))
        line = {"type": "connection", "src_ip": source, "dst_ip": peer, "dst_port": 443, "timestamp": self._clock}
        return json.dumps(line)

    def _scan(self, refusing: int) -> tuple[bytes, Expected]:
        targets = [(str(_FIRST_REFUSING + self._refusing + number), REFUSING_PORT) for number in range(refusing)]
        self._refusing += refusing
        greeters = self._targets.greeters
        start = self._rounds * _GREETERS % len(greeters)
        targets += [(address, self._targets.greeter_port) for address in greeters[start : start + _GREETERS]]
        lines, expected = [], Expected()
        for address, port in targets:
            self.jobs.update({("banner", address, port), ("domain", address, 0)})
            lines.append(_discovery(address, port))
            expected.accepted += 1
            if self._choice.random() < _REPEATED:
                lines.append(_discovery(address, port))
                expected.duplicates += 1
        expected.discoveries = expected.accepted
        return _text(lines), expected


def _discovery(address: str, port: int) -> str:
    status = {"status": "open", "reason": "syn-ack", "ttl": 64}
    found = {"ip": address, "timestamp": "1760000000", "port": port, "proto": "tcp"}
    return json.dumps({**found, "rec_type": "status", "data": status})


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
