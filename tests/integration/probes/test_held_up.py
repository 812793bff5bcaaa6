"""A hostile peer that makes the event loop compute is no reason to call its neighbours silent."""

import asyncio
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from cobalt_tasks.core import x509
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Certificate, Job, NewJob, Outcome, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import hosts
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import complete
from cobalt_tasks.lab import certificate as lab_certificate
from tests.support import hostile_tls
from tests.support.side_by_side import side_by_side
from workers import batches
from workers.net import Net
from workers.probes import certificate

HONEST = 12
HELD_UP = batches.MOST_LAG + 3 * batches._BUSY


def make(address: str, kind: str = "certificate", **options: object) -> Job:
    """A claimed job; its address tells the probe below how it ends."""
    values = {"id": 1, "kind": kind, "address": address, "protocol": "tcp", "port": 443, "attempts": 0, "forced": False}
    return msgspec.convert(values | options, Job)


async def ending(job: Job, _net: Net) -> Outcome:
    """End as the last number of the address says; .1 holds the loop up as a long computation does."""
    await asyncio.sleep(0)
    match job.address.rpartition(".")[2]:
        case "1":
            time.sleep(HELD_UP)  # noqa: ASYNC251  # that is the point
            return Outcome(job=job, verdict=Verdict.FAILED, code="timeout")
        case "2":
            return Outcome(job=job, verdict=Verdict.FAILED, code="silent")
        case "3":
            return Outcome(job=job, verdict=Verdict.FAILED, code="refused")
        case _:
            return Outcome(job=job, verdict=Verdict.DONE, code="open")


def run(*batch: Job, scope: Scope | None = None) -> list[Outcome]:
    """Run a batch with the probe above."""
    return asyncio.run(side_by_side(ending, batch, Net(scope or Scope(), 5.0)))


def test_a_server_cannot_choose_the_numbers(tmp_path: Path) -> None:
    """Four servers that want groups of 10,000 bits, beside honest ones in one batch: none is offered DHE.

    Break: `!kDHE` in net._CIPHERS: each costs the whole batch seconds.
    """
    context = lab_certificate.context(tmp_path, "127.0.0.1")

    async def main(hostile: Sequence[hostile_tls.Server]) -> list[Outcome]:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(5)
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        honest = server.sockets[0].getsockname()[1]
        batch = [make(each.address, port=each.port) for each in hostile]
        batch += [make("127.0.0.1", port=honest) for _ in range(HONEST)]
        outcomes = await side_by_side(certificate.probe, batch, Net(Scope(), 10.0))
        server.close()
        return outcomes

    with ExitStack() as stack:
        hostile = [stack.enter_context(hostile_tls.serving(f"127.0.0.{last}")) for last in range(2, 6)]
        outcomes = asyncio.run(main(hostile))
        offers = [offer for each in hostile for offer in each.offers]
    assert len(offers) == len(hostile)
    assert not any(offer & hostile_tls.DHE_SUITES for offer in offers)
    assert [each.code for each in outcomes] == ["no tls"] * len(hostile) + ["open"] * HONEST


def test_certificates_are_parsed_outside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile one costs 70 ms: 64 of them would stop the loop for seconds. Break: call x509.parse in the probe itself."""
    context = lab_certificate.context(tmp_path, "127.0.0.1")
    parse, threads = x509.parse, []

    def watched(der: bytes) -> Certificate | None:
        threads.append(threading.get_ident())
        return parse(der)

    monkeypatch.setattr(x509, "parse", watched)

    async def main() -> list[Outcome]:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(5)
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        batch = [make("127.0.0.1", port=server.sockets[0].getsockname()[1]) for _ in range(HONEST)]
        outcomes = await side_by_side(certificate.probe, batch, Net(Scope(), 10.0))
        server.close()
        return outcomes

    assert [each.code for each in asyncio.run(main())] == ["open"] * HONEST
    assert len(threads) == HONEST
    # One thread, and another than that of the loop.
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


def test_no_cipher_is_offered_without_a_certificate() -> None:
    """No pre-shared keys, no passwords, no anonymous peers: there would be nothing to see."""
    context = Net(Scope(), 5.0)._context
    for cipher in context.get_ciphers():
        assert cipher["kea"] in {"kx-ecdhe", "kx-rsa", "kx-any"}, cipher["name"]
        assert cipher["auth"] in {"auth-rsa", "auth-ecdsa", "auth-any"}, cipher["name"]
    assert context.minimum_version == ssl.TLSVersion.MINIMUM_SUPPORTED


def test_time_outs_in_a_batch_that_was_held_up_are_not_final() -> None:
    """The jobs run again, with few others; what a target did say stays. Break: the look at lag.seconds in run_guarded."""
    held_up = run(*(make(f"127.9.0.{last}") for last in range(1, 5)))
    assert [each.verdict for each in held_up] == [Verdict.HELD_UP, Verdict.HELD_UP, Verdict.FAILED, Verdict.DONE]
    assert [each.code for each in held_up] == ["held up", "held up", "refused", "open"]
    assert "silent, while the loop of its worker stood still" in str(held_up[1].detail)


def test_without_lag_a_time_out_is_final() -> None:
    """A silent port is an answer about the target."""
    assert [each.verdict for each in run(make("127.9.0.2"), make("127.9.0.4"))] == [Verdict.FAILED, Verdict.DONE]


def test_who_holds_the_loop_up_each_time_ends(sqlite_database: Database) -> None:
    """It takes a bounded number of runs, alone; its neighbour ends with what it says itself."""
    addresses = ("127.9.0.1", "127.9.0.2")
    with sqlite_database.writing() as connection:
        for each in addresses:
            connection.execute(hosts.insert().values(address=each, first_seen=0.0, last_seen=0.0, discovered=True))
    new = [NewJob(kind="certificate", address=each, protocol="tcp", port=443) for each in addresses]
    sqlite_database.write(creation.create, new)
    runs = 0
    while True:
        with sqlite_database.writing() as connection:
            connection.execute(table.update().values(not_before=0.0))
            active = connection.execute(
                select(table.c.id, table.c.isolated).where(table.c.state == "pending").order_by(table.c.id)
            ).all()
        if not active:
            break
        batch = [each.id for each in active if not each.isolated] or [active[0].id]
        claim = sqlite_database.write(jobs.claim, "certificate", batch, 15.0)
        runs += sum(job.address == addresses[0] for job in claim.jobs)
        sqlite_database.write(complete, claim.token, run(*claim.jobs))
    with sqlite_database.reading() as connection:
        ended = {row.address: (row.state, row.outcome) for row in connection.execute(select(table))}
    assert ended == {"127.9.0.1": ("failed", "timeout"), "127.9.0.2": ("failed", "silent")}
    assert runs == 5


def test_the_ledger_decides_whether_a_host_is_probed() -> None:
    """A job made under another scope, for a host only seen in traffic, sends nothing: invariant 6 of docs/architecture.md."""
    unseen = make("127.9.0.4", discovered=False)
    (outcome,) = run(unseen)
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, "out of scope")
    assert run(unseen, scope=Scope(["127.0.0.0/8"]))[0].code == "open"


@pytest.mark.parametrize("kind", ["domain", "certificate"])
def test_an_excluded_host_is_neither_probed_nor_asked_about(kind: str) -> None:
    """Whatever made the job."""
    (outcome,) = run(make("127.9.0.4", kind=kind), scope=Scope([], ["127.9.0.0/24"]))
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, "out of scope")
