"""Which DNS servers hear about which hosts. Those with public addresses here never get a packet: they are not asked."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Job, Outcome, Verdict
from cobalt_tasks.protocols.dns_messages import Labels, RecordType
from workers import resolvers
from workers.net import Net
from workers.probes import domain
from workers.resolvers import DnsAnswer, DnsReply, Resolvers

PUBLIC = "198.41.0.4:9"


def servers(found: Resolvers, *, private: bool) -> list[str]:
    """Return the servers that hear about a private or a public host."""
    return [address for address, _ in (found.private if private else found.all)]


def test_private_addresses_are_asked_only_of_private_resolvers() -> None:
    """RFC 6303: the zones of private addresses belong to the network itself. Loopback counts as private."""
    found = Resolvers(Scope(), ["8.8.8.8", "10.0.0.53", "127.0.0.1:5353", "[fd00::53]:53"], offline=False)
    assert servers(found, private=False) == ["8.8.8.8", "10.0.0.53", "127.0.0.1", "fd00::53"]
    assert servers(found, private=True) == ["10.0.0.53", "127.0.0.1", "fd00::53"]


def test_excluded_resolvers_are_not_asked() -> None:
    """COBALT_EXCLUDE binds every packet: invariant 6 of docs/architecture.md."""
    found = Resolvers(Scope([], ["10.0.0.0/8"]), ["10.0.0.53", "127.0.0.1"], offline=False)
    assert servers(found, private=False) == ["127.0.0.1"]


def test_offline_the_systems_resolvers_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only named ones are."""
    monkeypatch.setattr(resolvers, "_system", lambda: [("127.0.0.53", 53)])
    assert servers(Resolvers(Scope(), [], offline=False), private=True) == ["127.0.0.53"]
    assert servers(Resolvers(Scope(), [], offline=True), private=True) == []
    assert servers(Resolvers(Scope(), ["127.0.0.1"], offline=True), private=True) == ["127.0.0.1"]


@pytest.mark.parametrize("address", ["10.0.0.5", "fd00::5", "127.0.0.9", "100.64.0.1", "64:ff9b::10.0.0.5"])
def test_a_private_host_is_not_told_to_a_public_resolver(make_job: Callable[..., Job], address: str) -> None:
    """The job ends at once, with the reason. Break: `is_private` in Net.ask."""
    outcome = _probe(make_job(address), [PUBLIC])
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, "no private resolver")


def test_without_any_resolver_nothing_is_asked(make_job: Callable[..., Job]) -> None:
    """Offline, with none named."""
    outcome = _probe(make_job("8.8.8.8"), [])
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, "not asked")


def test_names_of_a_private_host_stay_private(monkeypatch: pytest.MonkeyPatch, make_job: Callable[..., Job]) -> None:
    """The question whether a name leads back is about the same host."""
    asked: list[bool] = []

    async def ask(
        _self: Resolvers, _name: Labels, _kind: RecordType, *, is_private: bool, deadline: float
    ) -> DnsAnswer:
        assert deadline
        asked.append(is_private)
        names = ((b"printer", b"corp", b"example"),) if len(asked) == 1 else ()
        return DnsAnswer(DnsReply.FOUND if names else DnsReply.NOTHING, names)

    monkeypatch.setattr(Resolvers, "ask", ask)
    assert _probe(make_job("10.0.0.5"), ["127.0.0.1"]).code == "named"
    assert asked == [True, True]


def _probe(job: Job, named: Sequence[str]) -> Outcome:
    async def main() -> Outcome:
        return await domain.probe(job, Net(Scope(), 2.0, named, offline=True))

    return asyncio.run(main())
