"""The banner probe against the real servers the tests have."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Banner, Job, Outcome
from cobalt_tasks.protocols import Protocol, registry
from workers.net import Net
from workers.probes import banner


def port_of(url: str) -> int:
    """Return the port of a server's URL."""
    port = urlsplit(url).port
    assert port
    return port


def lives(monkeypatch: pytest.MonkeyPatch, name: str, port: int | None = None) -> None:
    """Make a protocol live on a port, or on every port."""
    protocol = registry.BY_NAME[name]
    at_port = registry.at_port

    def moved(number: int, *, in_tls: bool = False) -> list[Protocol]:
        return [protocol] if port in {None, number} and not in_tls else at_port(number, in_tls=in_tls)

    monkeypatch.setattr(registry, "at_port", moved)


def probe(job: Job) -> Banner:
    """Return what a port said."""
    outcome: Outcome = asyncio.run(banner.probe(job, Net(Scope(), 5.0)))
    assert outcome.facts is not None, outcome
    return outcome.facts.banners[0]


def test_redis(redis_url: str, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis on its own port tells its version."""
    port = port_of(redis_url)
    lives(monkeypatch, "redis", port)
    found = probe(make_job("127.0.0.1", port))
    assert (found.service, found.product) == ("redis", "Valkey")
    assert found.version
    assert found.version.startswith("9.")


def test_postgresql(postgres_url: str, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL answers SSLRequest with one letter, and a version that does not exist with its own source file."""
    port = port_of(postgres_url)
    lives(monkeypatch, "postgresql", port)
    found = probe(make_job("127.0.0.1", port))
    assert (found.service, found.product, found.raw[:2]) == ("postgresql", "PostgreSQL", b"NE")


@pytest.mark.parametrize(
    ("known", "expected", "answer", "service"),
    [
        ("rdp", b"\x03\x00\x00\x13\x0e\xe0", bytes.fromhex("030000130ed000001234000209080002000000"), "rdp"),
        ("redis", b"INFO server\r\n", b"-NOAUTH Authentication required.\r\n", "redis"),
        ("postgresql", b"\x00\x00\x00\x08", b"S", "postgresql"),
    ],
)
def test_first_words(  # noqa: PLR0917  # a table and its fixtures
    against: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    known: str,
    expected: bytes,
    answer: bytes,
    service: str,
) -> None:
    """Where a protocol is expected its own words come first."""
    lives(monkeypatch, known)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.read(100)).startswith(expected)
        writer.write(answer)
        await writer.drain()
        await asyncio.sleep(10)

    run = against(banner.probe, handler)
    (found,) = run.outcome.facts.banners
    assert (found.service, found.raw) == (service, answer)
    assert run.seconds < 5
