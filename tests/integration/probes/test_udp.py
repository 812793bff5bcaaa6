"""The banner probe against UDP servers on sockets of this machine."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Job, Outcome
from cobalt_tasks.protocols import registry
from cobalt_tasks.protocols.base import LIMIT
from tests.support import conversations
from workers.net import Net
from workers.probes import banner

Answer = Callable[[bytes], list[bytes]]
Also = Callable[[bytes, tuple[str, int]], None]


class _Server(asyncio.DatagramProtocol):
    """Answers by a function, and remembers the datagrams it received."""

    def __init__(self, answer: Answer, also: Also | None) -> None:
        self.answer = answer
        self.also = also
        self.received: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.append(data)
        for each in self.answer(data):
            self.transport.sendto(each, addr)  # type: ignore[attr-defined]
        if self.also:
            self.also(data, addr)


def ask(
    answer: Answer, make_job: Callable[..., Job], scope: Scope | None = None, also: Also | None = None
) -> tuple[Outcome, list[bytes]]:
    """Return the outcome for a server that answers so, and the datagrams it received.

    also: is called with each datagram and where it came from.
    """

    async def main() -> tuple[Outcome, list[bytes]]:
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(
            lambda: _Server(answer, also), local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        outcome = await banner.probe(make_job("127.0.0.1", port, "udp"), Net(scope or Scope(), 5.0))
        transport.close()
        return outcome, server.received

    return asyncio.run(main())


def _dns() -> dict[bytes, bytes]:
    record = next(each for service, each in conversations.samples() if service == "dns" and each["transport"] == "udp")
    return {sent.encode("latin-1"): said.encode("latin-1") for sent, said in record["clear"]}


def test_a_server_on_any_port(make_job: Callable[..., Job]) -> None:
    """A DNS server on an odd port is recognised after one datagram."""
    table = _dns()
    outcome, received = ask(lambda data: [table[data]], make_job)
    assert outcome.facts
    (found,) = outcome.facts.banners
    assert (found.protocol, found.service, bool(found.product), len(received)) == ("udp", "dns", True, 1)


def test_a_silent_server(make_job: Callable[..., Job]) -> None:
    """A silent server gets a few small questions, none of them more than twice, and the job ends in its time."""
    outcome, received = ask(lambda _: [], make_job)
    assert outcome.code == "silent"
    assert received
    assert all(len(each) <= 1200 and received.count(each) <= 2 for each in received)
    assert len(received) <= 10


def test_an_answer_from_another_port(make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """A TFTP server answers from a port of its own: it is heard there, and no other host is."""
    tftp = registry.BY_NAME["tftp"]
    monkeypatch.setattr(registry, "udp_words_at", lambda *_, **__: [tftp])
    error = b"\x00\x05\x00\x01File not found\x00"

    def elsewhere(source: str, answer: bytes) -> Callable[[bytes, tuple[str, int]], None]:
        def send(_: bytes, client: tuple[str, int]) -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind((source, 0))
                other.sendto(answer, client)

        return send

    for source, code in (("127.0.0.1", "open"), ("127.0.0.9", "silent")):
        outcome, _ = ask(lambda _: [], make_job, also=elsewhere(source, error))
        assert outcome.code == code


def test_a_flood_of_answers(make_job: Callable[..., Job]) -> None:
    """Of a peer that answers with far more than it was asked, a bounded part is kept, and nothing is sent back for it."""
    outcome, received = ask(lambda _: [b"x" * 60_000] * 20, make_job)
    assert outcome.facts
    assert len(outcome.facts.banners[0].raw) <= LIMIT
    assert len(received) <= 10


def test_a_controller_is_asked_only_if_allowed(make_job: Callable[..., Job]) -> None:
    """The port of BACnet gets no datagram unless the user allows it, and the outcome names the setting."""
    outcome = asyncio.run(banner.probe(make_job("127.0.0.1", 47808, "udp"), Net(Scope(), 5.0)))
    assert outcome.code == "unsupported"
    assert "COBALT_INDUSTRIAL" in (outcome.detail or "")


def test_out_of_scope(make_job: Callable[..., Job]) -> None:
    """No datagram leaves for a host outside the scope."""
    outcome, received = ask(lambda data: [data], make_job, Scope(["192.0.2.0/24"]))
    assert (outcome.code, received) == ("out of scope", [])
