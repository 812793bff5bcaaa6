"""A package of its own adds a format, a protocol, a provider, a kind and a receiver: installed by pip, run by the program as it is."""

import json
import os
import shutil
import socketserver
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE, wait_until

PACKAGE = Path(__file__).parent / "cobalt_example"
WHOIS = b"netname: EXAMPLE-NET\r\nabuse-mailbox: abuse@network.example\r\n"
INVENTORY = b"Inventory server 1.4\r\nItem  Number\r\nchair 4\r\n"
HOSTS = [f"11.0.0.{number}" for number in range(1, 4)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment of its own, which has the packages of this one and the example. No network is needed."""
    folder = tmp_path_factory.mktemp("environment")
    source = shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=PATIENCE)
    found = venv / "bin" / "python"
    query = [str(found), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(query, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout.strip())
    (site / "beside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(found),
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*install, "--no-index", str(source)], check=True, timeout=PATIENCE)
    return found


class Program:
    """The program with the example installed, on one state folder."""

    def __init__(self, python: Path, home: Path) -> None:
        """Use the environment of the test."""
        self._python = python
        self._home = home
        self.settings: dict[str, str] = {}

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "COBALT_SCOPE": "127.0.0.0/8", "COBALT_GEO_PROVIDERS": "mmdb", **self.settings}

    def run(self, *arguments: str) -> str:
        """Run a command to its end; return what it printed."""
        done = subprocess.run(
            [str(self._python), "-m", "cobalt_tasks", *arguments],
            env=self._environment, cwd=self._home, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, table: str) -> list[dict[str, object]]:
        """Return all rows of a table."""
        return [json.loads(line) for line in self.run("export", "--table", table, "--format", "ndjson").splitlines()]

    @contextmanager
    def worker(self, *queues: str) -> Iterator[Path]:
        """Run a worker with one process; yield its log."""
        log = self._home / "worker.log"
        command = [str(self._python), "-m", "celery", "-A", "cobalt_tasks", "worker", "-l", "INFO", "-c", "1"]
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, "-Q", ",".join(queues)],
                env=self._environment, cwd=self._home, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield log
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture
def program(python: Path, home: Path, redis_url: str) -> Program:
    """The program with a private Redis and SQLite."""
    return Program(python, home)


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """Serves TCP on 127.0.0.1: one line in, these bytes out; returns the port."""
    servers: list[socketserver.ThreadingTCPServer] = []

    def serve(answer: bytes) -> int:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if self.rfile.readline(200):
                    self.wfile.write(answer)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return int(server.server_address[1])

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def provider() -> Iterator[tuple[str, list[str]]]:
    """A server of the provider; its URL, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = b'{"country": "NL", "city": "Delft"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_its_format_is_recognised_and_read(program: Program, home: Path) -> None:
    """The format is in the help, is recognised by its content, and refuses what it is not. Break: the entry point."""
    (home / "scan.txt").write_text("open 127.0.0.1 8080\nopen 127.0.0.1 99999\nopen 127.0.0.2 22\n")
    assert "portlist" in program.run("ingest", "--help")
    program.run("ingest", "scan.txt")
    assert {(row["address"], row["port"]) for row in program.rows("ports")} == {("127.0.0.1", 8080), ("127.0.0.2", 22)}
    source = json.loads(program.run("sources", "list", "--json"))
    assert (source["format"], source["read"], source["rejected"]) == ("portlist", 3, 1)


def test_its_protocol_is_spoken_by_the_probe(program: Program, home: Path, answering: Callable[[bytes], int]) -> None:
    """A server of the protocol on any port is recognised, with its version. Break: the entry point, or `likelihood`."""
    port = answering(INVENTORY)
    (home / "scan.txt").write_text(f"open 127.0.0.1 {port}\n")
    program.run("ingest", "portlist", "scan.txt")
    with program.worker("banner") as log:
        wait_until(lambda: program.rows("ports")[0]["service"], "the service is known", seen=log.read_text)
    (found,) = program.rows("ports")
    assert (found["service"], found["product"], found["version"]) == ("inventory", "inventoryd", "1.4")


def test_its_provider_is_asked_once_it_has_its_key(program: Program, provider: tuple[str, list[str]]) -> None:
    """Named in COBALT_GEO_PROVIDERS and with its key, it locates an address. Break: the entry point."""
    url, asked = provider
    program.settings = {
        "COBALT_GEO_PROVIDERS": "geoexample",
        "COBALT_GEOEXAMPLE_URL": url,
        "GEOEXAMPLE_KEY": "s3cret",
        "COBALT_SCOPE": "127.0.0.0/8",
    }
    program.run("db", "upgrade")
    found = json.loads(program.run("geolocate", "--ip", HOSTS[0], "--json"))
    assert (found["country_code"], found["city"], found["provider"]) == ("NL", "Delft", "geoexample")
    assert asked == [f"/{HOSTS[0]}?key=s3cret"]


def test_its_jobs_are_done_in_strict_priority(program: Program, home: Path, answering: Callable[[bytes], int]) -> None:
    """New hosts get whois jobs; one worker starts them behind all jobs of smaller priority, whatever the order of -Q, and
    their facts and states show like those of any kind. Break: `priority=0` in whois.py, or the entry point.
    """
    program.settings = {"COBALT_WHOIS_SERVER": f"127.0.0.1:{answering(WHOIS)}"}
    seen = [{"type": "connection", "src_ip": "127.0.0.1", "dst_ip": host, "dst_port": 443} for host in HOSTS]
    (home / "capture.jsonl").write_text("".join(json.dumps(line) + "\n" for line in seen))
    (home / "scan.txt").write_text("open 127.0.0.3 443\nopen 127.0.0.3 1\n")
    program.run("ingest", "capture.jsonl")
    program.run("ingest", "scan.txt")
    waiting = json.loads(program.run("status", "--json"))["jobs"]
    assert waiting["whois"]["pending"] + waiting["whois"]["sent"] == len(HOSTS)
    kinds = ("banner", "certificate", "whois")

    def ended() -> list[dict[str, object]]:
        jobs = [job for job in program.rows("jobs") if job["kind"] in kinds]
        return jobs if all(job["state"] in {"done", "failed", "dead"} for job in jobs) else []

    with program.worker(*reversed(kinds)) as log:
        jobs = wait_until(ended, "all jobs are final", seen=log.read_text)
    order = [job["kind"] for job in sorted(jobs, key=lambda job: (str(job["started_at"]), int(str(job["id"]))))]
    assert order == sorted(order, key=kinds.index)
    assert set(order) == set(kinds)
    names = {(row["address"], row["name"], row["source"]) for row in program.rows("hostnames")}
    assert names == {(host, "network.example", "whois") for host in HOSTS}


def test_its_receiver_gets_alerts(program: Program, home: Path) -> None:
    """A receiver with its key in alerts.toml gets messages, and a wrong URL is reported. Break: the entry point."""
    file = home / "alerts.toml"
    file.write_text('[receivers.here]\nspool = "relative"\n')
    with pytest.raises(AssertionError, match=r"\[receivers.here\]: spool: write the path of a file"):
        program.run("alerts", "test")
    file.write_text(f'[receivers.here]\nspool = "{home}/spool.txt"\n')
    assert program.run("alerts", "test") == "here: delivered\n"
    assert (home / "spool.txt").read_text().startswith("info Cobalt: test: a test message")
