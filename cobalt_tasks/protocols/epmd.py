"""epmd, Erlang's port mapper: the names of the nodes of its host (Erlang distribution protocol, NAMES_REQ)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_PORT: Final = (4369).to_bytes(4, "big")
_NODE: Final = re.compile(rb"name ([!-~]{1,100}) at port ([0-9]{1,5})\n")
_MOST: Final = 20


def recognise(raw: bytes) -> Fingerprint | None:
    """Its own port, then one line for each node."""
    if not raw.startswith(_PORT) or (len(raw) > len(_PORT) and not _NODE.match(raw, len(_PORT))):
        return None
    nodes = " ".join(f"{name.decode()}:{port.decode()}" for name, port in _NODE.findall(raw)[:_MOST])
    shown = clean(nodes.encode())
    return Fingerprint(
        "epmd", "Erlang port mapper", info=shown, cpe="erlang:erlang\\/otp", extras={"nodes": shown} if shown else {}
    )


PROTOCOL = Protocol(name="epmd", recognise=recognise, ports=(4369,), words=lambda _: b"\x00\x01n")
