"""The banner probe against real servers, well-behaved and hostile ones: each costs its deadline at most."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Banner, Hostname, Job, Outcome, Verdict
from cobalt_tasks.lab import certificate as lab_certificate
from cobalt_tasks.protocols.base import LIMIT
from tests.integration.probes.conftest import stopwatch
from workers.net import Net
from workers.probes import banner

Against = Callable[..., Any]
Saying = Callable[..., Any]

SILENT_LIMIT = 5.5
PAGE = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 2\r\n\r\nok"


def said(outcome: Outcome) -> Banner:
    """Return the banner of an outcome that must have one."""
    assert outcome.verdict is Verdict.DONE
    assert outcome.facts is not None
    (only,) = outcome.facts.banners
    return only


def test_a_greeting(against: Against, saying: Saying) -> None:
    """A server that speaks first is heard at once, over one connection, and its own name is a fact."""
    run = against(banner.probe, saying([b"220 mx.example.com ESMTP Postfix\r\n", 10.0]))
    found = said(run.outcome)
    assert (found.service, found.product, found.raw) == ("smtp", "Postfix", b"220 mx.example.com ESMTP Postfix\r\n")
    assert (found.address, found.protocol, found.source) == ("127.0.0.1", "tcp", "probe")
    (name,) = run.outcome.facts.hostnames
    assert (name.name, name.source, name.confirmed) == ("mx.example.com", "greeting", None)
    assert run.seconds < SILENT_LIMIT
    assert run.connections == 1
    assert run.outcome.follow_ups == ()


def test_a_greeting_in_pieces(against: Against, saying: Saying) -> None:
    """A greeting of several lines is waited for to its end."""
    run = against(banner.probe, saying([b"220-Hello\r\n", 0.1, b"220 (vsFTPd 3.0.3)\r\n", 10.0]))
    assert said(run.outcome).raw == b"220-Hello\r\n220 (vsFTPd 3.0.3)\r\n"


def test_http(against: Against) -> None:
    """A silent server is asked for a page; where it redirects to is a name of its own kind."""
    heard = bytearray()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 301 Moved\r\nServer: Apache/2.4.57\r\nLocation: https://www.example.com/\r\n\r\n")
        await writer.drain()

    run = against(banner.probe, handler)
    found = said(run.outcome)
    assert (found.service, found.product, found.version) == ("http", "Apache", "2.4.57")
    assert [(name.name, name.source) for name in run.outcome.facts.hostnames] == [("www.example.com", "redirect")]
    assert heard.startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:")
    assert run.connections == 1


def test_http_asks_for_the_host_by_its_name(against: Against) -> None:
    """A host name that is known goes into the Host header."""
    heard = bytearray()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(PAGE)
        await writer.drain()

    against(banner.probe, handler, names={"127.0.0.1": ["www.example.com"]})
    assert b"\r\nHost: www.example.com:" in heard


def test_tls(against: Against, saying: Saying, tmp_path: Path) -> None:
    """A server that speaks TLS only is asked for a page inside; its certificate is seen on the same connection.

    Break: `_with_certificates`.
    """
    run = against(banner.probe, saying([PAGE, 0.2]), context=lab_certificate.context(tmp_path, "127.0.0.1"))
    found = said(run.outcome)
    assert (found.service, found.product, found.raw) == ("https", "nginx", PAGE)
    assert run.connections == 1
    (certificate,) = run.outcome.facts.certificates
    assert [each.fingerprint for each in run.outcome.facts.sightings] == [certificate.fingerprint]
    assert run.outcome.follow_ups == ()
    assert set(run.outcome.settles) == {"certificate"}


def test_each_name_of_a_tls_port_is_asked_for_once(against: Against, saying: Saying, tmp_path: Path) -> None:
    """By the banner's own handshake and one for each further name. Break: _other_certificates."""
    names = {"127.0.0.1": ["www.example.com", "mail.example.com", "example.com"]}
    context = lab_certificate.context(tmp_path, "127.0.0.1")
    asked: list[str | None] = []
    context.sni_callback = lambda _object, name, _context: asked.append(name)
    run = against(banner.probe, saying([PAGE, 0.2]), context=context, names=names)
    assert asked == names["127.0.0.1"]
    assert run.connections == len(asked)
    assert run.outcome.follow_ups == ()


def test_tls_that_is_silent_inside(against: Against, saying: Saying, tmp_path: Path) -> None:
    """TLS alone is an answer."""
    run = against(banner.probe, saying([10.0]), context=lab_certificate.context(tmp_path, "127.0.0.1"))
    found = said(run.outcome)
    assert (found.service, found.raw) == ("tls", b"")
    assert found.text.startswith("TLSv1.")
    assert len(run.outcome.facts.certificates) == 1
    assert run.seconds < SILENT_LIMIT


def test_plain_http_answer_that_wants_tls(against: Against, tmp_path: Path) -> None:
    """A server that tells plain HTTP to use HTTPS is asked again with TLS; when that fails, its words are kept."""
    refusal = b"HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.read(4096)).startswith(b"GET"):
            writer.write(refusal)
            await writer.drain()

    run = against(banner.probe, handler)
    assert said(run.outcome).raw == refusal


def test_silence(against: Against, saying: Saying) -> None:
    """A port that never answers is a final answer, with what was tried, within the deadline."""
    run = against(banner.probe, saying([60.0]))
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "silent")
    assert run.outcome.detail.startswith("listened, http: silent, sip: silent, tls: timeout, ")
    assert run.outcome.facts is None
    assert run.seconds < SILENT_LIMIT


def test_refused(against: Against, make_job: Callable[..., Job]) -> None:
    """A closed port is a final answer, at once."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        outcome = asyncio.run(banner.probe(make_job("127.0.0.1", holder.getsockname()[1]), Net(Scope(), 5.0)))
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, "refused")
    assert type(outcome.code) is str


def test_closed_at_once(against: Against, saying: Saying) -> None:
    """A server that hangs up without a word says so."""
    run = against(banner.probe, saying([]))
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "closed")
    assert run.connections == 1


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_reset(against: Against) -> None:
    """A reset is told apart from a close."""

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        reset(writer)

    run = against(banner.probe, handler)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "reset")


def test_words_before_a_reset_are_kept(against: Against) -> None:
    """What was said before the connection broke is evidence."""

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Too many connections")
        await writer.drain()
        reset(writer)

    assert said(against(banner.probe, handler).outcome).raw == b"Too many connections"


def test_half_closed(against: Against) -> None:
    """A server that sends its end first, and stays, is not waited for."""

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-half\r\n")
        writer.write_eof()
        await asyncio.sleep(60)

    run = against(banner.probe, handler)
    assert said(run.outcome).product == "half"
    assert run.seconds < 1


def test_byte_by_byte(against: Against, saying: Saying) -> None:
    """A server that dribbles for ever costs the deadline, not more."""
    run = against(banner.probe, saying([b"x", 0.03] * 2000), within=1.0)
    assert run.seconds < 2
    assert set(said(run.outcome).raw) == {ord("x")}


def test_a_flood(against: Against) -> None:
    """A server that sends without end is cut at 4 KiB, and gets little more accepted than that."""
    sent = 0

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with suppress(OSError):
            while sent < 100_000_000:
                writer.write(b"\xff" * 65536)
                sent += 65536
                await writer.drain()

    run = against(banner.probe, handler)
    assert said(run.outcome).raw == b"\xff" * LIMIT
    assert run.seconds < 2
    # What is beyond the cap is the kernel's: its socket buffers on both sides.
    assert sent < 20_000_000


def test_garbage(against: Against, saying: Saying) -> None:
    """Bytes that mean nothing are kept as they are, without a service."""
    raw = bytes(range(256))
    found = said(against(banner.probe, saying([raw, 10.0])).outcome)
    assert (found.raw, found.service) == (raw, None)
    assert "\x00" not in found.text


@pytest.mark.parametrize("reply", [b"\x16\x03\x03\x00\x04junk", b"\x15\x03\x01\x00\x02\x02\x28", b"\x00" * 50])
def test_bad_tls(against: Against, reply: bytes) -> None:
    """A broken TLS server costs little and leaves no exception."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not (await reader.read(4096)).startswith(b"GET"):
            writer.write(reply)
            await writer.drain()
        await asyncio.sleep(60)

    run = against(banner.probe, handler)
    assert said(run.outcome).service in {"tls", None}
    assert run.seconds < SILENT_LIMIT


def test_a_total_deadline(against: Against, saying: Saying) -> None:
    """Whatever the plan says, the job's own deadline ends it."""
    run = against(banner.probe, saying([60.0]), within=0.4)
    assert run.outcome.verdict is Verdict.FAILED
    assert run.seconds < 1


@pytest.mark.parametrize(
    "scope", [Scope(["192.0.2.0/24"]), Scope([], ["127.0.0.0/8"]), Scope(["127.0.0.1"], ["127.0.0.1"])]
)
def test_out_of_scope(against: Against, saying: Saying, scope: Scope) -> None:
    """Nothing outside the scope, or excluded, sees a connection (the guard is the first line of Net.connect)."""
    run = against(banner.probe, saying([b"SSH-2.0-x\r\n"]), scope=scope)
    assert (run.outcome.verdict, run.outcome.code) == (Verdict.FAILED, "out of scope")
    assert run.connections == 0


def test_udp(against: Against, saying: Saying) -> None:
    """A UDP port gets datagrams and no TCP connection; where nothing listens the host says so. SCTP gets nothing."""
    run = against(banner.probe, saying([b"x"]), protocol="udp")
    assert (run.outcome.verdict, run.outcome.code, run.connections) == (Verdict.FAILED, "refused", 0)
    run = against(banner.probe, saying([b"x"]), protocol="sctp")
    assert (run.outcome.verdict, run.outcome.code, run.connections) == (Verdict.FAILED, "unsupported", 0)


def test_a_batch_with_silent_ports(make_job: Callable[..., Job]) -> None:
    """64 jobs, some of them silent, are done in the time of the slowest, on fewer sockets than jobs when so bounded."""

    async def main() -> tuple[list[Outcome], float, int]:
        most = now = 0

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal most, now
            now += 1
            most = max(most, now)
            with suppress(OSError):
                writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
                await reader.read()
            now -= 1
            writer.transport.abort()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while await reader.read(1024):
                    pass
            writer.transport.abort()

        servers = [await asyncio.start_server(each, "127.0.0.1", 0) for each in (handler, silent)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        net = Net(Scope(), 5.0, most_open=32)
        jobs = [make_job("127.0.0.1", ports[number % 16 == 0]) for number in range(64)]
        with stopwatch() as elapsed:
            outcomes = await asyncio.gather(*(banner.probe(each, net) for each in jobs))
            seconds = elapsed()
        for server in servers:
            server.close()
        await asyncio.sleep(0.05)
        return outcomes, seconds, most

    outcomes, seconds, most = asyncio.run(main())
    assert sum(outcome.verdict is Verdict.DONE for outcome in outcomes) == 60
    # One after the other, the silent ones alone would take twenty seconds.
    assert seconds < 7
    assert most <= 32


def test_names_are_hostname_facts(against: Against, saying: Saying) -> None:
    """A greeting's name is a fact of the right type, for the right address."""
    outcome = against(banner.probe, saying([b"220 ftp.example.com FTP server ready\r\n"])).outcome
    (name,) = outcome.facts.hostnames
    assert isinstance(name, Hostname)
    assert (name.address, name.name) == ("127.0.0.1", "ftp.example.com")


def test_old_tls(against: Against, saying: Saying, tmp_path: Path) -> None:
    """A server that knows nothing newer than TLS 1.0 is still understood."""
    context = lab_certificate.context(tmp_path, "127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    run = against(banner.probe, saying([10.0]), context=context)
    assert said(run.outcome).text.startswith("TLSv1 ")
