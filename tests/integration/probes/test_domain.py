"""The domain probe against a real DNS server, and broken ones."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
from msgspec.structs import replace

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Job, Outcome, Verdict
from cobalt_tasks.lab.nameserver import Names, UdpNameServer, tcp_service
from cobalt_tasks.protocols.dns_messages import RecordType, question
from tests.support.waiting import PATIENCE
from workers.dns_client import DnsClient
from workers.net import Net
from workers.probes import domain

MANY = tuple(f"host-{number:02}.example.com" for number in range(40))
NAMES = Names(
    "example.com",
    {
        "www.example.com": "192.0.2.10",
        "other.example.com": "192.0.2.99",
        "six.example.com": "2001:db8::10",
        "mixed.example.com": "192.0.2.14",
        **dict.fromkeys(MANY, "192.0.2.12"),
    },
    {
        "192.0.2.10": ("WWW.Example.com", "other.example.com"),
        "192.0.2.12": MANY,
        "192.0.2.13": (r"\<script\>\000\"x\".example.com",),
        "192.0.2.14": ("mixed.example.com", "gone.example.net"),
        "192.0.2.15": ("",),
        "192.0.2.16": tuple(f"more-{number:02}.example.com" for number in range(60)),
        "192.0.2.17": ("localhost", "localhost.example.com", "127.0.0.1", "1.0.0.127.in-addr.arpa", "real.example.com"),
        "2001:db8::10": ("six.example.com",),
    },
)


class Bad(asyncio.DatagramProtocol):
    """Answers every datagram with what `answer` makes of it."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        """Take the function."""
        self.answer = answer

    def connection_made(self, transport: Any) -> None:
        """Keep what answers are sent with."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer."""
        if (reply := self.answer(data)) is not None:
            self.transport.sendto(reply, addr)


@asynccontextmanager
async def serving(protocol: asyncio.DatagramProtocol, names: Names | None = None) -> AsyncIterator[str]:
    """Serve DNS on a free UDP port, and TCP where there are names; yields ADDRESS:PORT."""
    tcp = await asyncio.start_server(tcp_service(names or NAMES), "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, local_addr=("127.0.0.1", port))
    yield f"127.0.0.1:{port}"
    udp.abort()
    tcp.close()
    await asyncio.sleep(0.02)


@pytest.fixture
def ask(make_job: Callable[..., Job]) -> Callable[..., Outcome]:
    """Probe an address through a DNS server."""

    def run(
        address: str, protocol: asyncio.DatagramProtocol | None = None, within: float = 5.0, attempts: int = 0
    ) -> Outcome:
        async def main() -> Outcome:
            job = replace(make_job(address), attempts=attempts)
            async with serving(protocol or UdpNameServer(NAMES)) as server:
                return await domain.probe(job, Net(Scope(), within, [server]))

        return asyncio.run(main())

    return run


def names(outcome: Outcome) -> dict[str, bool | None]:
    """Return the names of an outcome that must have some."""
    assert (outcome.verdict, outcome.code) == (Verdict.DONE, "named")
    assert outcome.facts is not None
    assert {name.source for name in outcome.facts.hostnames} == {"ptr"}
    return {name.name: name.confirmed for name in outcome.facts.hostnames}


def test_all_names_each_confirmed_or_not(ask: Callable[..., Outcome]) -> None:
    """Every PTR name is a fact in lower case, confirmed where it leads back to the address."""
    outcome = ask("192.0.2.10")
    assert names(outcome) == {"www.example.com": True, "other.example.com": False}
    assert outcome.fresh_for == 3600


def test_ipv6(ask: Callable[..., Outcome]) -> None:
    """IPv6 addresses are asked for below ip6.arpa, and confirmed by AAAA."""
    assert names(ask("2001:db8::10")) == {"six.example.com": True}


def test_more_names_than_a_datagram_holds(ask: Callable[..., Outcome]) -> None:
    """A truncated answer is asked for again over TCP; of many names the first few are confirmed."""
    found = names(ask("192.0.2.12"))
    assert sorted(found) == sorted(MANY)
    assert sorted(found.values(), key=str) == [None] * 32 + [True] * 8


def test_cut_lists_show_in_the_outcome(ask: Callable[..., Outcome]) -> None:
    """Of 60 names the first 50 are kept, and the outcome states both."""
    outcome = ask("192.0.2.16")
    assert len(names(outcome)) == 50
    assert outcome.detail == "more-00.example.com, the first 50 of 60 names, of which 8 were asked for their addresses"


def test_localhost_and_addresses_are_no_names(ask: Callable[..., Outcome]) -> None:
    """Neither is a name below which addresses stand."""
    assert names(ask("192.0.2.17")) == {"real.example.com": False}


def test_a_silent_resolver_is_remembered(make_job: Callable[..., Job]) -> None:
    """After three questions in a row without an answer, others are asked first, also by later batches; one answer counts."""
    heard: list[bytes] = []

    async def main() -> None:
        silent = Bad(heard.append)  # type: ignore[func-returns-value]
        async with serving(silent) as first, serving(UdpNameServer(NAMES)) as second:
            job = make_job("2001:db8::10")
            found = await asyncio.gather(*(domain.probe(job, Net(Scope(), 5.0, [first, second])) for _ in range(4)))
            assert {each.code for each in found} == {"named"}
            count = len(heard)
            assert count >= 4
            assert (await domain.probe(job, Net(Scope(), 5.0, [first, second]))).code == "named"
            assert len(heard) == count

    asyncio.run(main())


def test_a_late_question_is_given_up_at_its_own_time() -> None:
    """Also behind one that may take longer, and before another: one timer serves all. Break: `_wake_at` in _Socket.ask."""

    async def main() -> list[bool]:
        loop = asyncio.get_running_loop()
        async with serving(Bad(lambda _: None)) as server:
            address, port = server.rsplit(":", 1)
            client = DnsClient((address, int(port)))
            asked, now = question((b"example",), RecordType.A), loop.time()
            tasks = [asyncio.create_task(client.ask(asked, now + seconds)) for seconds in (600.0, 0.05, 0.3)]
            ended = []
            for task in tasks[1:]:
                assert await task is None
                ended.append(tasks[0].done())
            tasks[0].cancel()
            return ended

    assert asyncio.run(main()) == [False, False]


def test_what_is_too_long_is_truncated_over_udp() -> None:
    """The server of these tests behaves as RFC 1035 says, so that the test above goes over TCP."""

    async def main() -> tuple[dns.message.Message, dns.message.Message]:
        query = dns.message.make_query("12.2.0.192.in-addr.arpa", "PTR")
        async with serving(UdpNameServer(NAMES)) as server:
            port = int(server.rpartition(":")[2])
            return (
                await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=PATIENCE),
                await dns.asyncquery.tcp(query, "127.0.0.1", port=port, timeout=PATIENCE),
            )

    short, whole = asyncio.run(main())
    assert short.flags & dns.flags.TC
    assert not short.answer
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == len(MANY)


def test_hostile_names_are_escaped(ask: Callable[..., Outcome]) -> None:
    """Markup, quotes and control bytes in a name become backslash and three digits."""
    assert list(names(ask("192.0.2.13"))) == [r"\060script\062\000\034x\034.example.com"]


def test_a_name_nobody_can_resolve_is_unconfirmed(ask: Callable[..., Outcome]) -> None:
    """Where the resolver cannot tell, confirmed stays open: neither yes nor no."""
    assert names(ask("192.0.2.14")) == {"mixed.example.com": True, "gone.example.net": None}


@pytest.mark.parametrize("address", ["192.0.2.200", "192.0.2.15"])
def test_no_name(ask: Callable[..., Outcome], address: str) -> None:
    """A host without a name is an answer, as fresh as the zone says negative answers are."""
    outcome = ask(address)
    assert (outcome.verdict, outcome.code, outcome.facts) == (Verdict.DONE, "no name", None)
    assert outcome.fresh_for == (900 if address == "192.0.2.200" else 3600)


def test_a_resolver_that_cannot_tell(ask: Callable[..., Outcome]) -> None:
    """REFUSED and SERVFAIL are asked for once more, then final; they make nothing fresh."""
    outcome = ask("198.51.100.1")
    assert (outcome.verdict, outcome.code, outcome.after) == (Verdict.RETRY, "broken", 5.0)
    outcome = ask("198.51.100.1", attempts=1)
    assert (outcome.verdict, outcome.code, outcome.fresh_for) == (Verdict.FAILED, "broken", None)


@pytest.mark.parametrize(
    "answer",
    [lambda _: None, lambda _: b"", lambda _: b"\xff" * 600, lambda query: query, lambda query: query[:2] + b"\x81"],
    ids=["silent", "empty", "garbage", "echo", "cut"],
)
def test_a_resolver_that_is_down(ask: Callable[..., Outcome], answer: Callable[[bytes], bytes | None]) -> None:
    """No usable answer in time is asked for again later, and costs the deadline at most."""
    outcome = ask("192.0.2.10", Bad(answer), within=0.6)
    assert (outcome.verdict, outcome.code) == (Verdict.RETRY, "no resolver")
    assert outcome.after == 5.0


def test_a_lying_answer(ask: Callable[..., Outcome]) -> None:
    """An answer to another question is not believed."""

    def other(query: bytes) -> bytes:
        message = dns.message.from_wire(query)
        lie = dns.message.make_response(dns.message.make_query("10.2.0.192.example.com", "PTR"))
        lie.id = message.id
        lie.flags |= dns.flags.AA
        lie.set_rcode(dns.rcode.NXDOMAIN)
        return lie.to_wire()

    assert ask("192.0.2.10", Bad(other), within=0.6).verdict is Verdict.RETRY


def test_the_next_resolver_is_asked(make_job: Callable[..., Job]) -> None:
    """A resolver that refuses or is silent does not hide the one after it."""

    async def main() -> Outcome:
        refusing = Names("nothing.example", {}, {})
        async with serving(UdpNameServer(refusing), refusing) as first, serving(UdpNameServer(NAMES)) as second:
            return await domain.probe(make_job("192.0.2.10"), Net(Scope(), 5.0, [first, "127.0.0.1:9", second]))

    assert len(names(asyncio.run(main()))) == 2


def test_no_target_packet(make_job: Callable[..., Job]) -> None:
    """A reverse look-up sends nothing to the host it is about."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.3", 0))
        own.settimeout(0.1)

        async def main() -> Outcome:
            async with serving(UdpNameServer(NAMES)) as server:
                return await domain.probe(make_job("127.0.0.3"), Net(Scope([], ["127.0.0.3"]), 5.0, [server]))

        assert asyncio.run(main()).code == "broken"
        with pytest.raises(TimeoutError):
            own.recv(1)


def test_each_question_is_asked_once(make_job: Callable[..., Job]) -> None:
    """One PTR question for the address and one for each name: nobody is asked the same thing by two libraries."""
    asked: list[str] = []

    class Listening(UdpNameServer):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            asked.extend(str(question.rdtype.name) for question in dns.message.from_wire(data).question)
            super().datagram_received(data, addr)

    async def main() -> Outcome:
        async with serving(Listening(NAMES)) as server:
            return await domain.probe(make_job("192.0.2.10"), Net(Scope(), 5.0, [server]))

    assert asyncio.run(main()).code == "named"
    assert sorted(asked) == ["A", "A", "PTR"]
