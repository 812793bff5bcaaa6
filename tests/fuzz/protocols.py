"""One fuzz target for each protocol: `python tests/fuzz/protocols.py PROTOCOL [libFuzzer options]`.

The bytes are the answers of a peer on the protocol's own port, and inside TLS. A target fails when a recogniser or a
conversation raises, does not end, or makes text that the tables cannot hold.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["cobalt_tasks"]):
    from cobalt_tasks.protocols import Fingerprint, Protocol
    from cobalt_tasks.protocols.base import Target
    from cobalt_tasks.protocols.identify import identify
    from cobalt_tasks.protocols.registry import BY_NAME
    from cobalt_tasks.protocols.secure import open_tls
    from tests.support.peers import Peer

BREAK = b"\n--\n"
"""Between two answers."""

LONGEST = 400
ANY_PORT = 31337


def check(found: Fingerprint) -> None:
    """Hold every text against what the tables take, and what one line can show."""
    texts = (found.service, found.product, found.version, found.info, found.cpe, found.os, found.device, *found.names)
    for text in (*texts, *found.extras.values()):
        assert text is None or (0 < len(text) <= LONGEST and text.isprintable()), text


def peer(data: bytes) -> Peer:
    """Return a server that answers with the parts of some bytes in turn, and then closes."""
    parts = iter(data.split(BREAK))
    return Peer(lambda _: next(parts, None), greeting=next(parts, b""), inside=Peer(lambda _: next(parts, None)))


def once(protocol: Protocol, data: bytes) -> None:
    """Recognise some bytes, and converse with a peer made of them."""
    for recogniser in (protocol.recognise, protocol.recognise_reply, *protocol.parts.values()):
        if recogniser and (found := recogniser(data)):
            check(found)
    tcp = next(iter((*protocol.ports, *protocol.tls_ports)), ANY_PORT)
    udp = next(iter(protocol.udp_ports), ANY_PORT)
    for target in (Target("192.0.2.1", tcp), Target("192.0.2.1", udp, "udp")):
        check(peer(data).run(identify(target)).fingerprint)
    peer(data).run(open_tls(Target("192.0.2.1", tcp)))


def main(name: str) -> None:
    """Fuzz one protocol."""
    atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: once(BY_NAME[name], data))
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BY_NAME:  # a name is needed
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(BY_NAME)}")
    main(sys.argv[1])
