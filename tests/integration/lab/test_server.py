"""The lab serves what its table says, and the probes find it."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cobalt_tasks import lab
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Job, Outcome, Verdict
from cobalt_tasks.lab import server
from cobalt_tasks.lab.endpoints import Endpoint
from cobalt_tasks.lab.server import Lab, LabError, running
from tests.support.waiting import PATIENCE
from workers.net import Net
from workers.probes import banner, certificate, domain

SERVICES = {
    "openssh": ("ssh", "OpenSSH", "9.2p1"),
    "dropbear": ("ssh", "dropbear", "2022.83"),
    "ftp": ("ftp", "vsftpd", "3.0.3"),
    "smtp": ("smtp", "Postfix", None),
    "pop3": ("pop3", "Dovecot", None),
    "imap": ("imap", "Dovecot", None),
    "mysql": ("mysql", "MySQL", "8.0.36"),
    "http": ("http", "nginx", "1.22.1"),
    "https": ("https", "nginx", "1.22.1"),
    "redirect": ("http", "Apache", "2.4.57"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab on free ports."""
    with running(tmp_path_factory.mktemp("lab")) as one:
        yield one


def job(endpoint: Endpoint) -> Job:
    """Return a job for an endpoint."""
    return Job(id=1, kind="any", address=endpoint.address, protocol="tcp", port=endpoint.port, attempts=0, forced=False)


def test_the_probes_find_what_the_lab_is(served: Lab) -> None:
    """Every service is recognised, the silent port is silent, the refusing one refuses, all at once."""

    async def main() -> tuple[dict[str, Outcome], float]:
        net = Net(Scope(), 5.0, [lab.resolver_of(served.endpoints)])
        endpoints = [endpoint for endpoint in served.endpoints if endpoint.kind != "dns"]
        started = asyncio.get_running_loop().time()
        outcomes = await asyncio.gather(*(banner.probe(job(endpoint), net) for endpoint in endpoints))
        seconds = asyncio.get_running_loop().time() - started
        return {endpoint.kind: outcome for endpoint, outcome in zip(endpoints, outcomes, strict=True)}, seconds

    outcomes, seconds = asyncio.run(main())
    found = {}
    for kind, outcome in outcomes.items():
        if outcome.verdict is Verdict.DONE:
            assert outcome.facts is not None
            (said,) = outcome.facts.banners
            found[kind] = (said.service, said.product, said.version)
    assert found == SERVICES
    assert (outcomes["silent"].code, outcomes["refusing"].code) == ("silent", "refused")
    assert [kind for kind, outcome in outcomes.items() if outcome.settles] == ["https"]
    assert seconds < 7


def test_certificate_and_names(served: Lab) -> None:
    """The certificate names several hosts; PTR names lead back, but for the liar's."""
    endpoints = {endpoint.kind: endpoint for endpoint in served.endpoints}

    async def main() -> tuple[Outcome, list[Outcome]]:
        net = Net(Scope(), 5.0, [lab.resolver_of(served.endpoints)])
        names = [await domain.probe(job(endpoints[kind]), net) for kind in ("https", "silent", "refusing")]
        return await certificate.probe(job(endpoints["https"]), net), names

    shown, (web, liar, nameless) = asyncio.run(main())
    assert shown.facts is not None
    expected = ("*.api.lab.example", "127.77.0.15", "lab.example", "shop.lab.example", "www.lab.example")
    assert shown.facts.certificates[0].names == expected
    assert web.facts is not None
    assert {(name.name, name.confirmed) for name in web.facts.hostnames} == {
        ("shop.lab.example", True),
        ("www.lab.example", True),
    }
    assert liar.facts is not None
    assert [(name.name, name.confirmed) for name in liar.facts.hostnames] == [("liar.lab.example", False)]
    assert nameless.code == "no name"


@pytest.mark.parametrize(
    ("kind", "words", "answer"),
    [
        ("openssh", b"GET / HTTP/1.1\r\n\r\n", b"Invalid SSH identification string."),
        ("smtp", b"EHLO me\r\nQUIT\r\n", b"221 2.0.0 Bye"),
        ("imap", b"a LOGOUT\r\n", b"* BYE"),
        ("pop3", b"CAPA\r\nNONSENSE\r\nQUIT\r\n", b"-ERR Unknown command."),
        ("ftp", b"USER me\r\nPASS x\r\nQUIT\r\n", b"331 Please specify the password."),
        ("mysql", b"\x20\x00\x00\x01login", b"#28000Access denied"),
        ("http", b"NONSENSE\r\n\r\n", b"400 Bad Request"),
        ("http", b"x" * 200_000, b""),
    ],
)
def test_the_lab_goes_on_talking(served: Lab, kind: str, words: bytes, answer: bytes) -> None:
    """Services answer a curious client as far as real ones do before a login, and survive a rude one."""
    endpoint = next(endpoint for endpoint in served.endpoints if endpoint.kind == kind)
    heard = b""
    with socket.create_connection((endpoint.address, endpoint.port), timeout=PATIENCE) as client:
        try:
            client.sendall(words)
            client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(4096):
                heard += chunk
        except OSError:
            assert not answer
    assert answer in heard


def test_the_certificate_is_kept(tmp_path: Path) -> None:
    """A second start shows the same certificate, readable by its owner only."""

    async def start() -> bytes:
        async with Lab(tmp_path, ephemeral=True):
            return (tmp_path / "lab.pem").read_bytes()

    assert asyncio.run(start()) == asyncio.run(start())
    assert (tmp_path / "lab.pem").stat().st_mode & 0o077 == 0


def test_the_program(home: Path) -> None:
    """It says when it is ready, and ends cleanly on SIGTERM with a client connected, leaving no listener."""
    command = [sys.executable, "-W", "error", "-m", "cobalt_tasks.lab", "--free-ports"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout
        assert program.stderr
        try:
            assert program.stdout.readline() == "lab ready\n"
            ssh, *_ = msgspec.json.decode(program.stdout.readline(), type=list[Endpoint])
            with socket.create_connection((ssh.address, ssh.port), timeout=PATIENCE) as client:
                assert client.recv(100).startswith(b"SSH-2.0-OpenSSH")
                program.send_signal(signal.SIGTERM)
                assert program.wait(PATIENCE) == 0
            assert program.stderr.read() == ""
        finally:
            program.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((ssh.address, ssh.port), timeout=PATIENCE)


def test_a_taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is taken is named in one clear line, and what was open already is closed again."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port = taken.getsockname()[1]
        other = free.getsockname()[1]
        free.close()
        monkeypatch.setattr(
            server, "ENDPOINTS", (Endpoint("http", "127.0.0.1", other), Endpoint("ftp", "127.0.0.1", port))
        )

        async def start() -> None:
            async with Lab(tmp_path):
                pass

        with pytest.raises(LabError) as caught:
            asyncio.run(start())
        assert str(caught.value) == f"the lab cannot serve ftp on 127.0.0.1 port {port}: Address already in use"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other), timeout=PATIENCE)


def test_a_lab_that_cannot_start_says_so() -> None:
    """A folder that cannot be made is our surroundings' fault, in one line."""
    with pytest.raises(LabError, match="the lab cannot"), running(Path("/dev/null/lab")):
        pass
