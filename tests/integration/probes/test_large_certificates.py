"""Certificates of hundreds of KiB from real TLS servers: read up to a bound, and never more than the process has room for."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Job, Outcome, Verdict
from workers.handshake_bytes import HANDSHAKE_BYTES, LONGEST_CHAIN
from workers.net import Net
from workers.probes import banner, certificate

KIB = 1024


def large_context(folder: Path, *sizes: int) -> ssl.SSLContext:
    """Return a TLS server's context, with certificates of about these many bytes, the server's own first."""
    key = ec.generate_private_key(ec.SECP256R1())
    lines = [
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ]
    now = dt.datetime.now(dt.UTC)
    for number, size in enumerate(sizes):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"large{number}.example")])
        filler = b"\x04\x83" + size.to_bytes(3, "big") + bytes(size)
        made = x509.CertificateBuilder(name, name, key.public_key(), 1 + number, now, now + dt.timedelta(days=9))
        made = made.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"), filler), False
        )
        lines.append(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    path = folder / "large.pem"
    path.write_bytes(b"".join(lines))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("sizes", [(250 * KIB,), (120 * KIB, 100 * KIB, 80 * KIB)])
def test_certificates_up_to_256_kib_are_read(
    against: Callable[..., Any],
    saying: Callable[..., Any],
    tmp_path: Path,
    newest: ssl.TLSVersion,
    sizes: tuple[int, ...],
) -> None:
    """One that is large, and a chain that is: OpenSSL by itself refuses both from 100 KiB on."""
    context = large_context(tmp_path, *sizes)
    context.maximum_version = newest
    run = against(certificate.probe, saying([1.0]), context=context)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.DONE, "open")
    assert len(run.outcome.facts.certificates[0].der) > sizes[0]


def test_longer_chains_are_an_outcome(against: Callable[..., Any], saying: Callable[..., Any], tmp_path: Path) -> None:
    """A server that shows more is one of TLS all the same; its certificate job ends with a reason."""
    context = large_context(tmp_path, *[120 * KIB] * 3)
    run = against(certificate.probe, saying([1.0]), context=context)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "too long")
    run = against(banner.probe, saying([1.0]), context=context)
    assert (run.outcome.verdict, run.outcome.facts.banners[0].service) == (Verdict.DONE, "tls")


@pytest.mark.parametrize("probe", [certificate.probe, banner.probe])
def test_a_farm_of_large_chains_gets_no_more_room_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_job: Callable[..., Job], probe: Any
) -> None:
    """Of many such servers at once some are read, and the others are tried again later; small ones are not in their way.

    The room is free again once the jobs have ended.
    """
    monkeypatch.setattr(HANDSHAKE_BYTES, "_most", 2 * LONGEST_CHAIN)
    large = large_context(tmp_path, 200 * KIB)
    small = large_context(tmp_path, KIB)
    most = 0

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        most = max(most, HANDSHAKE_BYTES.large)
        await reader.read()
        writer.transport.abort()

    async def probed() -> tuple[list[Outcome], list[Outcome]]:
        servers = [await asyncio.start_server(hold, "127.0.0.1", 0, ssl=context) for context in (large, small)]
        net = Net(Scope(), 20.0, ["127.0.0.1:1"])
        jobs = [[make_job("127.0.0.1", server.sockets[0].getsockname()[1])] * 8 for server in servers]
        outcomes = await asyncio.gather(*(asyncio.create_task(probe(job, net)) for each in jobs for job in each))
        for server in servers:
            server.close()
        return outcomes[:8], outcomes[8:]

    of_large, of_small = asyncio.run(probed())
    assert {each.code for each in of_small} == {"open"}
    assert {(each.verdict, each.code) for each in of_large} == {(Verdict.DONE, "open"), (Verdict.RETRY, "exhausted")}
    assert 0 < most <= 2 * LONGEST_CHAIN
    assert (HANDSHAKE_BYTES.small, HANDSHAKE_BYTES.large) == (0, 0)
