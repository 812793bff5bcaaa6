"""Conversations with real servers: recorded into tests/conversations, and played back as a peer made of bytes.

To record one, start the server on a port of this machine, then::

    python -m tests.support.conversations udp 127.0.0.1 53 "dnsmasq 2.90"

Each file is named after a service, and holds one entry per server: what was sent to it and what it answered (Latin-1).
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.protocols import registry
from cobalt_tasks.protocols.base import Send, StartTls, Steps, T, Target
from cobalt_tasks.protocols.identify import Result, identify
from tests.support.peers import Answer, Peer
from workers.net import Net

FOLDER = Path(__file__).parents[1] / "conversations"
FIELDS = ("product", "version", "names", "info", "cpe", "os", "device")


def samples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the service and the record of every conversation."""
    for path in sorted(FOLDER.glob("*.json")):
        for record in json.loads(path.read_text()):
            yield path.stem, record


def target(record: dict[str, Any]) -> Target:
    """Return the port a conversation was recorded with."""
    options = {"industrial": True, "community": record.get("community")}
    return Target(record["address"], record["port"], record["transport"], **options)


def answers(record: dict[str, Any]) -> list[bytes]:
    """Return what the server sent."""
    return [said.encode("latin-1") for part in ("clear", "inside") for _, said in record.get(part, ())]


def peer(record: dict[str, Any]) -> Peer:
    """Return a peer that answers as the server did. To what the server was not asked it is silent, or hangs up if it rejects HTTP."""
    protocol = registry.named(record["found"]["service"])
    other: Answer = None if protocol and protocol.rejects_http else b""
    inside = _speaker(record["inside"], other) if "inside" in record else None
    return _speaker(record["clear"], other, inside)


def found(result: Result) -> dict[str, Any]:
    """Return what a conversation found out, as a record keeps it."""
    shown = {name: getattr(result.fingerprint, name) for name in FIELDS}
    kept = {name: list(value) if isinstance(value, tuple) else value for name, value in shown.items() if value}
    return {
        "service": result.service,
        **kept,
        **({"extras": dict(extras)} if (extras := result.fingerprint.extras) else {}),
    }


def _speaker(exchanges: list[list[str]], other: Answer, inside: Peer | None = None) -> Peer:
    table = {sent.encode("latin-1"): said.encode("latin-1") for sent, said in exchanges}
    return Peer(lambda data: table.get(data, other), greeting=table.get(b"", b""), inside=inside)


def _recorded(steps: Steps[T], log: dict[str, list[list[str]]]) -> Steps[T]:
    part = "clear"
    try:
        step = next(steps)
        while True:
            reply = yield step
            if isinstance(step, StartTls) and reply.tls:
                part = "inside"
            if isinstance(step, Send) and reply.data:
                exchange = [step.data.decode("latin-1"), reply.data.decode("latin-1")]
                if exchange not in log.setdefault(part, []):
                    log[part].append(exchange)
            step = steps.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result


async def _converse(spoken_to: Target, log: dict[str, list[list[str]]]) -> Result:
    net = Net(Scope(["127.0.0.0/8", "::1", "10.99.0.0/24"]), 10.0)
    deadline = asyncio.get_running_loop().time() + 10
    return await net.drive(_recorded(identify(spoken_to), log), spoken_to, deadline=deadline)


def main(transport: str, address: str, port: str, server: str, community: str = "") -> None:
    """Speak to a server, print what was found out, and keep the conversation if `server` is not empty."""
    log: dict[str, list[list[str]]] = {"clear": []}
    spoken_to = Target(address, int(port), transport, industrial=True, community=community or None)
    result = asyncio.run(_converse(spoken_to, log))
    shown = found(result)
    print(json.dumps(shown), result.tried)  # noqa: T201
    if not server or not result.service:
        print(json.dumps(log))  # noqa: T201
        return
    kept = {"community": community} if community else {}
    record = {
        "server": server,
        "transport": transport,
        "address": address,
        "port": int(port),
        **kept,
        **log,
        "found": shown,
    }
    path = FOLDER / f"{result.service}.json"
    before = json.loads(path.read_text()) if path.exists() else []
    others = [
        each for each in before if (each["server"], each["transport"], each["port"]) != (server, transport, int(port))
    ]
    path.write_text(json.dumps([*others, record], indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
