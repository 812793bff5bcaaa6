"""What leaves the machine is polite: counted by the servers, and on the wire of a network namespace. Needs root."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from sqlalchemy import select

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation, pace
from tests.integration.workers.conftest import Ledger
from tests.integration.workers.test_window import Make, make  # noqa: F401  # a fixture
from tests.support.netns import network, serving
from workers.context import WorkerContext
from workers.probes import banner
from workers.runners import Probes
from workers.window import Window, roll

HOSTS = ("203.0.113.1", "203.0.113.2", "203.0.113.130")
DROPPED = "198.51.100.9"
PORTS = range(7101, 7109)


class Counted:
    """A server that holds each client for a moment, and counts how many it has at a time."""

    def __init__(self) -> None:
        """Count none yet."""
        self._lock = threading.Lock()
        self.at_once: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.accepted: list[float] = []

    def __call__(self, client: socket.socket) -> None:
        """Greet, after a moment, and wait for the end."""
        address = client.getsockname()[0].removeprefix("::ffff:")
        with self._lock:
            self.accepted.append(time.monotonic())
            for key in (address, "network"):
                self.at_once[key] += 1
                self.most[key] = max(self.most[key], self.at_once[key])
        time.sleep(0.1)
        # Ended before the client sees the greeting, and so before it may open the next.
        with self._lock:
            self.at_once.subtract((address, "network"))
        client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        client.recv(100)


def run(ledger: Ledger, own: WorkerContext, addresses: tuple[str, ...]) -> Callable[[], Window]:
    """Make banner jobs, and return what does them."""
    new = [NewJob(kind="banner", address=a, protocol="tcp", port=p) for a in addresses for p in PORTS]
    ledger.database.write(creation.create, new)
    with ledger.database.reading() as connection:
        ids = connection.execute(select(table.c.id)).scalars().all()
    return lambda: roll(own, Probes(BY_NAME["banner"], banner.probe), ids)


def test_few_connections_go_to_one_host_and_one_network(ledger: Ledger, make: Make) -> None:  # noqa: F811
    """And they are opened at the pace that is set; a host that drops all is not asked on each of its ports.

    Break: the limits in host_limits.choose, Pace.turn in Net.drive, or SILENT_HOSTS in Connection.open.
    """
    own = make(
        COBALT_SCOPE="203.0.113.0/24,198.51.100.0/24",
        COBALT_PER_HOST="2",
        COBALT_PER_NETWORK="5",
        COBALT_PROBE_RATE="40",
        COBALT_PROBE_TIMEOUT="1.5",
    )
    counted = Counted()
    with network("cobalt-polite") as lab, ExitStack() as stack:
        lab.drop(DROPPED)
        for port in PORTS:
            stack.enter_context(serving(lab.listen(socket.SOCK_STREAM, port), counted))
        sent = lab.watch()
        lab.within(run(ledger, own, (*HOSTS, DROPPED)))
        assert sent.stop() == 0
    with ledger.database.reading() as connection:
        ended = connection.execute(select(table.c.address, table.c.outcome)).all()
    opened = Counter(address for address, outcome in ended if outcome == "open")
    # On a busy machine the loop stands still at times: a time-out of that moment is to be tried again.
    assert {outcome for address, outcome in ended if address not in opened} <= {"timeout", "held up"}
    assert opened.keys() == set(HOSTS)
    assert opened.total() >= len(HOSTS) * len(PORTS) - 2
    assert max(counted.most[host] for host in HOSTS) == 2
    assert counted.most["network"] <= 5
    # Three waited for, two at a time, each with at most three packets.
    assert sent.counts[DROPPED] <= 4 * 3
    # Forty a second, whatever the moment: a quarter more for moments that were reserved and came late.
    times = sorted(counted.accepted)
    assert max(sum(1 for each in times if start <= each < start + 0.5) for start in times) <= 40 * 0.5 * 1.25


@pytest.mark.parametrize("workers", [1, 3])
def test_all_workers_share_one_pace(ledger: Ledger, workers: int) -> None:
    """Moments are reserved one after the other, and not far ahead. Break: `free_from` in pace.reserve."""
    waits = [ledger.database.write(pace.reserve, 100.0, 10) for _ in range(workers * 5)]
    assert waits[0] == 0.0
    for number, wait in enumerate(waits):
        assert wait <= min(0.1 * number, pace.AHEAD_SECONDS) + 1e-6
    # By the clock less has passed than was reserved.
    assert waits[-1] > waits[0]
