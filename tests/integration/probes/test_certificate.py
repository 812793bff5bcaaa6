"""The certificate probe against real TLS servers, and others."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.records import Job, Verdict
from cobalt_tasks.lab import certificate as lab_certificate
from cobalt_tasks.protocols import registry
from workers.net import Net
from workers.probes import certificate

Against = Callable[..., Any]
Saying = Callable[..., Any]


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """A TLS server's, with a certificate of several names."""
    return lab_certificate.context(tmp_path, "127.0.0.1")


def test_all_names(against: Against, saying: Saying, context: ssl.SSLContext) -> None:
    """The certificate, where it was seen, and each host name in it are facts; wildcards and addresses no host names."""
    run = against(certificate.probe, saying([1.0]), context=context)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.DONE, "open")
    (found,) = run.outcome.facts.certificates
    assert found.names == ("*.api.lab.example", "127.0.0.1", "lab.example", "shop.lab.example", "www.lab.example")
    assert found.self_signed
    (sighting,) = run.outcome.facts.sightings
    assert sighting.fingerprint == found.fingerprint
    assert (sighting.address, sighting.protocol, sighting.source) == ("127.0.0.1", "tcp", "probe")
    names = run.outcome.facts.hostnames
    assert [name.name for name in names] == ["lab.example", "shop.lab.example", "www.lab.example"]
    assert {name.source for name in names} == {"certificate"}
    assert run.outcome.fresh_for == 7 * DAY
    assert run.connections == 1
    assert run.seconds < 1


def test_an_expired_certificate_is_an_answer(
    against: Against, saying: Saying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is verified; what has expired is good for an hour."""
    born = lab_certificate._now() - lab_certificate._LIFE * 2
    with monkeypatch.context() as patch:
        patch.setattr(lab_certificate, "_now", lambda: born)
        context = lab_certificate.context(tmp_path, "127.0.0.1")
    run = against(certificate.probe, saying([1.0]), context=context)
    assert run.outcome.verdict is Verdict.DONE
    assert run.outcome.facts.certificates[0].not_after < time.time()
    assert run.outcome.fresh_for == 3600


@pytest.mark.parametrize("name", ["www.example.com", None])
def test_sni(against: Against, saying: Saying, context: ssl.SSLContext, name: str | None) -> None:
    """SNI is a host name that is known, and nothing for a bare address."""
    asked: list[str | None] = []
    context.sni_callback = lambda _, server_name, __: asked.append(server_name)
    against(certificate.probe, saying([1.0]), context=context, names={"127.0.0.1": [name]} if name else {})
    assert asked == [name]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([b"SSH-2.0-OpenSSH_9.2p1\r\n", 10.0], "no tls"),
        ([b"\x15\x03\x01\x00\x02\x02\x28"], "no tls"),
        ([b"\x16\x03\x03\x40\x00" + b"\x02" * 20_000, 10.0], "no tls"),
        ([60.0], "timeout"),
    ],
)
def test_no_tls(against: Against, saying: Saying, script: list[bytes | float], code: str) -> None:
    """Whatever else a port does instead of TLS is a final answer, in time."""
    run = against(certificate.probe, saying(script))
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, code)
    assert run.seconds < 3


def test_a_reset_in_the_handshake(against: Against) -> None:
    """A server that hangs up in the middle of the handshake is told apart from one that speaks something else."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    run = against(certificate.probe, handler)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "reset")


def test_an_endless_handshake(against: Against, saying: Saying) -> None:
    """A server that sends handshake bytes for ever costs the deadline."""
    record = b"\x16\x03\x03\x40\x00" + b"\x0b\xff\xff\xff" + b"\x00" * 16380
    run = against(certificate.probe, saying([record, *[b"\x16\x03\x03\x00\x01\x00", 0.05] * 500]), within=1.0)
    assert run.outcome.verdict is Verdict.FAILED
    assert run.seconds < 2


def test_refused(make_job: Callable[..., Job]) -> None:
    """A closed port is a final answer, at once."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        outcome = asyncio.run(certificate.probe(make_job("127.0.0.1", holder.getsockname()[1]), Net(Scope(), 5.0)))
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, "refused")


def test_out_of_scope(against: Against, saying: Saying, context: ssl.SSLContext) -> None:
    """An excluded address sees no connection."""
    run = against(certificate.probe, saying([1.0]), context=context, scope=Scope([], ["127.0.0.1"]))
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "out of scope")
    assert run.connections == 0


LDAP_YES = bytes.fromhex("300c02010178070a010004000400")
RDP_YES = bytes.fromhex("030000130ed000001234000200080001000000")
MYSQL = b"J\x00\x00\x00\x0a8.0.36\x00" + bytes(8) + b"saltsalt\x00" + b"\xff\xff"
STARTTLS = [
    ("smtp", b"220 mx ESMTP\r\n", [(b"EHLO", b"250-mx\r\n250 STARTTLS\r\n"), (b"STARTTLS", b"220 go\r\n")]),
    ("imap", b"* OK ready\r\n", [(b"c1 STARTTLS", b"c1 OK go\r\n")]),
    ("pop3", b"+OK ready\r\n", [(b"STLS", b"+OK go\r\n")]),
    ("ftp", b"220 FTP\r\n", [(b"AUTH TLS", b"234 go\r\n")]),
    ("nntp", b"200 news NNTP ready\r\n", [(b"STARTTLS", b"382 go\r\n")]),
    ("mysql", MYSQL, [(b"\x20\x00\x00\x01", b"")]),
    ("postgresql", b"", [(b"\x00\x00\x00\x08", b"S")]),
    ("ldap", b"", [(b"0\x1d\x02\x01\x01w", LDAP_YES)]),
    ("rdp", b"", [(b"\x03\x00\x00\x13", RDP_YES)]),
    ("xmpp", b"", [(b"<?xml", b"<?xml version='1.0'?><stream:stream>"), (b"<starttls", b"<proceed/>")]),
]


@pytest.mark.parametrize(("name", "greeting", "steps"), STARTTLS, ids=[each[0] for each in STARTTLS])
@pytest.mark.parametrize("is_own_port", [True, False])
def test_starttls(  # noqa: PLR0917  # a table and its fixtures
    against: Against,
    monkeypatch: pytest.MonkeyPatch,
    context: ssl.SSLContext,
    name: str,
    greeting: bytes,
    steps: list[tuple[bytes, bytes]],
    is_own_port: bool,
) -> None:
    """A port that starts in the clear is asked for TLS in its own words, on its own port and on any other."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        for expected, answer in steps:
            if not (await reader.read(2000)).startswith(expected):
                return
            writer.write(answer)
            await writer.drain()
        await writer.start_tls(context)
        await reader.read()

    if is_own_port:
        monkeypatch.setattr(registry, "at_port", lambda *_, **__: [registry.BY_NAME[name]])
    run = against(certificate.probe, handler)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.DONE, "open")
    assert "www.lab.example" in run.outcome.facts.certificates[0].names


@pytest.mark.parametrize("name", ["smtp", "imap", "pop3", "ftp", "postgresql", "ldap", "xmpp"])
def test_a_refused_starttls(against: Against, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A server that does not offer TLS in its own words gave its final answer."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if registry.BY_NAME[name].greets:
            writer.write(b"220 ready\r\n")
        while await reader.read(2000):
            writer.write(b"500 no\r\n")
            await writer.drain()

    monkeypatch.setattr(registry, "at_port", lambda *_, **__: [registry.BY_NAME[name]])
    run = against(certificate.probe, handler)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "no tls")
    assert run.outcome.detail == "does not offer STARTTLS"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_our_certificate(
    against: Against, saying: Saying, context: ssl.SSLContext, newest: ssl.TLSVersion
) -> None:
    """The certificate of a server that refuses clients without one is seen, also where that ends the handshake (TLS 1.2).

    Break: `_shown` in workers/connection.py.
    """
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = newest
    run = against(certificate.probe, saying([1.0]), context=context)
    assert run.outcome.verdict is Verdict.DONE
    assert "www.lab.example" in run.outcome.facts.certificates[0].names


def test_each_name_is_asked_for(against: Against, saying: Saying, context: ssl.SSLContext, tmp_path: Path) -> None:
    """Each name of a host gets a handshake of its own; each certificate is kept and seen once."""
    other = lab_certificate.context(tmp_path / "other", "127.0.0.1")
    asked: list[str | None] = []

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        asked.append(name)
        if name == "other.example.com":
            connection.context = other

    context.sni_callback = choose  # type: ignore[assignment]
    names = ["www.example.com", "other.example.com", "again.example.com"]
    run = against(certificate.probe, saying([1.0]), context=context, names={"127.0.0.1": names})
    assert asked == names
    assert len({each.fingerprint for each in run.outcome.facts.certificates}) == 2
    assert [each.fingerprint for each in run.outcome.facts.sightings] == [
        each.fingerprint for each in run.outcome.facts.certificates
    ]


def test_a_server_that_wants_a_name(against: Against) -> None:
    """A refusal for want of a name is an outcome of its own: the alert unrecognized_name (RFC 6066 3)."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(2000)
        writer.write(bytes.fromhex("15030300020270"))
        await writer.drain()
        await reader.read()

    run = against(certificate.probe, handler, names={"127.0.0.1": ["www.example.com"]})
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "no name")


def details(run: Any) -> dict[str, Any]:
    """Return what the handshake of the one sighting showed."""
    (sighting,) = run.outcome.facts.sightings
    found: dict[str, Any] = json.loads(sighting.details)
    return found


def test_what_the_handshake_showed(against: Against, saying: Saying, context: ssl.SSLContext) -> None:
    """Version, cipher suite and ALPN stand with the sighting; type, size and signature with the certificate."""
    context.set_alpn_protocols(["http/1.1"])
    run = against(certificate.probe, saying([1.0]), context=context)
    found = details(run)
    assert (found["tls"], found["alpn"]) == ("TLSv1.3", "http/1.1")
    assert found["cipher"].startswith("TLS_")
    assert "versions" not in found
    (shown,) = run.outcome.facts.certificates
    assert (shown.key_type, shown.key_size, shown.signature) == ("EC", 256, "sha256")


@pytest.mark.parametrize(
    ("name", "is_other"),
    [("www.lab.example", False), ("x.api.lab.example", False), ("a.b.api.lab.example", True), ("other.example", True)],
)
def test_certificates_for_other_names(
    against: Against, saying: Saying, context: ssl.SSLContext, name: str, is_other: bool
) -> None:
    """A name that was asked for and is not in the certificate; a wildcard stands for one label."""
    run = against(certificate.probe, saying([1.0]), context=context, names={"127.0.0.1": (name,)})
    assert (details(run)["name"], details(run).get("is_other_name", False)) == (name, is_other)


def test_versions_and_ciphers_are_tried_where_the_user_wants_it(
    against: Against, saying: Saying, context: ssl.SSLContext
) -> None:
    """Each accepted version, and the suites of those before 1.3, in handshakes that the user allowed."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    run = against(certificate.probe, saying([1.0]), context=context, scan_tls=True)
    found = details(run)
    assert found["versions"] == ["TLSv1.3", "TLSv1.2"]
    assert sorted(found["ciphers"]["TLSv1.2"]) == ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
