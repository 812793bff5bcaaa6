"""Writes docs/protocols.md: every protocol of the registry, where it is looked for, and what is recognised of it."""

import json
import sys
from pathlib import Path
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.registry import PROTOCOLS

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "protocols.md"
SAMPLES: Final = ROOT / "tests" / "conversations"

HEAD: Final = """# Protocols

What Cobalt asks a port, and what it recognises. This page is written by `make protocols-table` from the registry
(`cobalt_tasks/protocols/registry.py`, which shows how to add a protocol), and a test compares it.

A TCP port is listened to first. A silent one is asked in the protocols that live on its number, then HTTP, TLS, and the
protocols marked "any port"; what speaks inside TLS is found in the same way. A port that keeps the connection and is silent to HTTP and to TLS is asked only
in the protocols whose servers wait after such words; the others would have answered or hung up. That is five connections
and 4 s instead of 15 and 5 s. A UDP port is sent one small question each.
A protocol is recognised by its answer wherever it is met: on any port, inside TLS, and in the output of other tools.
[Fingerprints of recog](fingerprints.md), once installed, add products, devices and operating systems.

Each row is tested with real servers' answers (`tests/conversations`) where the last column names some, by
`tests/unit/protocols/test_conversations.py`; with tables of greetings in `tests/unit/protocols/test_recognise.py`;
and by `make fuzz`, which has a target for each.

| service | TCP ports | in TLS | UDP ports | asked on | TLS inside | real servers tested |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    servers = _servers()
    return HEAD + "".join(_row(each, servers) for each in sorted(PROTOCOLS, key=lambda each: each.name))


def _row(protocol: Protocol, servers: dict[str, list[str]]) -> str:
    if protocol.industrial:
        asked = "own ports, if COBALT_INDUSTRIAL is true"
    elif protocol.likelihood is not None or protocol.udp_likelihood is not None:
        asked = "any port"
    elif protocol.words or protocol.udp_words:
        asked = "own ports"
    else:
        asked = "greets"
    tested = sorted({*servers.get(protocol.name, ()), *servers.get(protocol.name_in_tls or "", ())})
    cells = (
        protocol.name,
        _ports(protocol.ports),
        " ".join(part for part in (protocol.name_in_tls, _ports(protocol.tls_ports)) if part),
        _ports(protocol.udp_ports),
        asked,
        "STARTTLS" if protocol.starttls else "",
        ", ".join(tested),
    )
    return f"| {' | '.join(cells)} |\n"


def _ports(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))


def _servers() -> dict[str, list[str]]:
    """Return the servers whose conversations are kept, by service, without the versions of their packages."""
    found: dict[str, list[str]] = {}
    for path in sorted(SAMPLES.glob("*.json")):
        for record in json.loads(path.read_text()):
            found.setdefault(path.stem, []).append(record["server"].split(" ")[0])
    return found


def main(argument: str = "") -> None:
    """Write the page, or with `--check` end with 1 if it is not up to date."""
    if argument != "--check":
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit("docs/protocols.md differs from the registry")


if __name__ == "__main__":
    main(*sys.argv[1:])
