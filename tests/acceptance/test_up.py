"""`cobalt up`, as a user starts, watches, kills and stops it."""

import contextlib
import json
import signal
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cobalt_tasks.core.catalog import POOLS
from cobalt_tasks.lab.endpoints import CERTIFICATE_NAMES
from tests.acceptance.conftest import Cobalt
from tests.support import once
from tests.support.waiting import PATIENCE, wait_until

DEMO_SECONDS = 480
BANNERS = {
    22022: ("ssh", "OpenSSH"),
    22023: ("ssh", "dropbear"),
    21021: ("ftp", None),
    25025: ("smtp", None),
    21110: ("pop3", None),
    21143: ("imap", None),
    23306: ("mysql", None),
    28080: ("http", None),
    28443: ("https", None),
}
PEERS = 10
"""Public IPv4 peers in the capture sample."""


def tables(cobalt: Cobalt) -> dict[str, list[tuple[object, ...]]]:
    """What the final tables say, without the times at which it was found out."""

    def picked(table: str, *columns: str) -> list[tuple[object, ...]]:
        return sorted(tuple(str(row[name]) for name in columns) for row in cobalt.export(table))

    return {
        "jobs": picked("jobs", "kind", "address", "port", "state"),
        "ports": picked("ports", "address", "port", "service", "product", "banner"),
        "hosts": picked("hosts", "address", "country_code", "latitude", "longitude"),
        "connections": picked("connections", "src_ip", "dst_ip", "dst_port"),
    }


@pytest.fixture(scope="module")
def demo(make_cobalt: Callable[..., Cobalt]) -> Cobalt:
    """A demo that ran to its end, databases fetched and all."""

    def run(home: Path) -> None:
        cobalt = make_cobalt(home)
        process = cobalt.start("--demo", "--once")
        assert process.wait(DEMO_SECONDS) == 0, cobalt.output
        # Here, before other tests run commands on what it left.
        assert cobalt.processes() == []

    return make_cobalt(once.made("demo", run))


@pytest.fixture(scope="module")
def running(make_cobalt: Callable[..., Cobalt]) -> Iterator[Cobalt]:
    """A `cobalt up` whose input is over, with one process for each pool; SIGTERM ends it well."""
    cobalt = make_cobalt()
    process = cobalt.start("-c", "1")
    wait_until(lambda: "serving" in cobalt.output, "it serves after the end of its input")
    cobalt.wait_for_workers()
    yield cobalt
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_the_demo_ends_with_every_job_final(demo: Cobalt) -> None:
    """`make run ARGS=--once`: exit 0, no job left, a balanced ledger, and the table on the terminal."""
    status = demo.status()
    states = {state for kind in status["jobs"].values() for state, count in kind.items() if count}
    assert states <= {"done", "failed"}
    # The banner's handshake shows the certificate: that kind has nothing left to do.
    assert {kind for kind, found in status["jobs"].items() if sum(found.values())} == set(status["jobs"]) - {
        "certificate"
    }
    for source in status["sources"]:
        parts = ("accepted", "duplicates", "rejected", "ignored")
        assert source["read"] == sum(source[part] for part in parts)
    assert [source["read"] for source in sorted(status["sources"], key=lambda each: each["name"])] == [29, 12]
    assert "Jobs" in demo.output


def test_the_demo_reads_the_labs_banners(demo: Cobalt) -> None:
    """Each service is recognised by what it says; the silent and the refusing port say why they have none."""
    ports = {row["port"]: row for row in demo.export("ports")}
    for port, (service, product) in BANNERS.items():
        assert ports[port]["service"] == service
        assert ports[port]["banner"]
        if product:
            assert ports[port]["product"] == product
    failed = {
        row["port"]: row["outcome"]
        for row in demo.export("jobs")
        if row["kind"] == "banner" and row["state"] == "failed"
    }
    assert failed == {27777: "silent", 27778: "refused"}


def test_the_demo_reads_the_certificate_with_all_its_names(demo: Cobalt) -> None:
    """The HTTPS service's certificate job finds every name in it."""
    (certificate,) = demo.export("certificates")
    assert set(CERTIFICATE_NAMES) <= set(certificate["names"])
    for name in CERTIFICATE_NAMES:
        assert name in demo.output


def test_the_demo_locates_the_public_peers(demo: Cobalt) -> None:
    """Where databases could be fetched, at least seven of ten peers have a country and coordinates; where not, that
    is said loudly and every look-up has ended for that reason.
    """
    hosts = {row["address"]: row for row in demo.export("hosts")}
    located = [
        row
        for address, row in hosts.items()
        if ":" not in address and row["country_code"] and row["latitude"] is not None and row["longitude"] is not None
    ]
    if "NO GEOLOCATION DATA" in demo.output:
        reasons = {row["outcome"] for row in demo.export("jobs") if row["kind"] == "geolocation"}
        assert reasons == {"no provider"}
    else:
        assert len(located) >= 7
    private = [hosts[address] for address in ("10.0.0.7", "100.64.1.1", "192.168.1.20", "224.0.0.251")]
    assert all(row["country_code"] is None for row in private)


def test_the_demo_names_the_labs_hosts(demo: Cobalt) -> None:
    """PTR names are confirmed when they lead back, and only then."""
    confirmed = {row["name"]: row["confirmed"] for row in demo.export("hostnames") if row["source"] == "ptr"}
    assert confirmed["bastion.lab.example"] is True
    assert confirmed["liar.lab.example"] is False


def is_at_work(cobalt: Cobalt) -> bool:
    """Tell whether a job is running, from the ledger itself: `cobalt status` takes longer than a job does."""
    with contextlib.closing(sqlite3.connect(cobalt.home / "cobalt.db", timeout=PATIENCE)) as ledger:
        return ledger.execute("SELECT count(*) FROM jobs WHERE state = 'running'").fetchone()[0] > 0


def test_killing_a_pool_child_changes_nothing_in_the_final_tables(
    demo: Cobalt, make_cobalt: Callable[[], Cobalt]
) -> None:
    """SIGKILL of worker children while they work: the same tables as of an undisturbed run."""
    cobalt = make_cobalt()
    (cobalt.home / "geodb").symlink_to(demo.home / "geodb")
    process = cobalt.start("--demo", "--once")
    killed = 0
    while killed < 3 and process.poll() is None:
        workers = cobalt.processes("celery -A cobalt_tasks worker")
        # One may end by itself meanwhile.
        with contextlib.suppress(psutil.NoSuchProcess):
            children = [child for child in workers if child.ppid() in {each.pid for each in workers}]
            if children and is_at_work(cobalt):
                children[0].send_signal(signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    assert process.wait(DEMO_SECONDS) == 0, cobalt.output
    assert killed
    assert tables(cobalt) == tables(demo)


def test_it_serves_until_ctrl_c(demo: Cobalt, make_cobalt: Callable[[], Cobalt]) -> None:
    """Page, API and Flower answer, Flower knows the four queues; a second one is told so; Ctrl-C ends every child."""
    cobalt = make_cobalt()
    (cobalt.home / "geodb").symlink_to(demo.home / "geodb")
    process = cobalt.start("--demo")
    wait_until(lambda: "serving" in cobalt.output, "the demo serves")
    # The page counts every few seconds.
    wait_until(lambda: fetch(cobalt.port, "/api/data")["metrics"]["total_connections"] == 20, "all connections count")
    assert fetch(cobalt.port, "/api/health")["status"] == "OK"

    def queues() -> bool:
        url = f"http://127.0.0.1:{cobalt.flower_port}/broker"
        page = urllib.request.urlopen(url, timeout=PATIENCE).read().decode()
        return all(queue in page for queue in ("banner", "domain", "geolocation", "certificate"))

    # Flower asks the workers for their queues after it has started.
    wait_until(queues, "Flower knows the queues")
    second = cobalt.run("up", "--port", "1", "--flower-port", "2")
    assert second.returncode == 1
    assert f"already running on {cobalt.home} (process {process.pid})" in second.stderr
    assert second.stderr.count("\n") == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    wait_until(lambda: not cobalt.processes(), "every child has ended")
    for pool in POOLS:
        assert "Traceback" not in (cobalt.home / "logs" / f"{pool}.log").read_text()


def fetch(port: int, path: str) -> dict[str, Any]:
    """A JSON answer of the page's server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        return json.load(answer)


def test_a_killed_up_leaves_no_orphan(cobalt: Cobalt) -> None:
    """SIGKILL of `cobalt up` ends every process it started."""
    process = cobalt.start()
    wait_until(lambda: "serving" in cobalt.output, "it serves")
    wait_until(lambda: len(cobalt.processes("worker")) > 2, "the pool is there")
    process.kill()
    process.wait(PATIENCE)
    wait_until(lambda: not cobalt.processes(), "no process is left")


def test_a_taken_port_is_one_clear_line(cobalt: Cobalt) -> None:
    """A port somebody listens on: exit 2, the port and the option in one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cobalt.run("up", "--port", str(port))
    assert (done.returncode, done.stderr) == (2, f"cobalt: port {port} is taken: choose another with --port\n")


def test_other_machines_need_a_login(cobalt: Cobalt) -> None:
    """On an address that other machines reach, without a login: exit 2 and one line, before anything is started."""
    done = cobalt.run("up", "--host", "0.0.0.0", "--port", str(cobalt.port), "--flower-port", str(cobalt.flower_port))
    assert done.returncode == 2
    assert "COBALT_DASHBOARD_USER" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_socket_path_that_is_too_long_is_one_clear_line(cobalt: Cobalt) -> None:
    """A state folder too deep for a Unix socket: exit 2, what to do in one line."""
    cobalt.environment["COBALT_HOME"] = str(cobalt.home / ("x" * 100))
    done = cobalt.run("up", "--port", str(cobalt.port), "--flower-port", str(cobalt.flower_port))
    assert done.returncode == 2
    assert "too long" in done.stderr
    assert "COBALT_HOME" in done.stderr
    assert done.stderr.count("\n") == 1


def test_lines_on_stdin_are_ingested(cobalt: Cobalt) -> None:
    """`some-capture | cobalt up --once` stores the user's own lines, and ends when they have."""
    line = '{"type": "connection", "src_ip": "fe80::1", "dst_ip": "ff02::fb", "dst_port": 5353}\n'
    ports = ("--port", str(cobalt.port), "--flower-port", str(cobalt.flower_port))
    done = cobalt.run("up", "--once", *ports, stdin=None, input=line * 3)
    assert done.returncode == 0, done.stderr
    assert len(cobalt.export("connections")) == 3


@pytest.mark.long
def test_a_worker_that_ended_and_one_that_is_deaf_are_started_again(cobalt: Cobalt) -> None:
    """Killed, it is back within seconds; stopped without ending (SIGSTOP), within a minute and a half.

    Break: Child.tend, or the pulse in _Everything._tend.
    """
    process = cobalt.start()
    wait_until(lambda: "serving" in cobalt.output, "it serves")
    cobalt.wait_for_workers()
    worker = main_process(cobalt, "network")
    worker.kill()
    wait_until(lambda: main_process(cobalt, "network") not in (None, worker), "another worker")
    wait_until(lambda: len(cobalt.status()["workers"]) == len(POOLS), "it answers", every=1.0)
    stalled = main_process(cobalt, "control")
    stalled.suspend()
    wait_until(lambda: main_process(cobalt, "control") not in (None, stalled), "another worker", seconds=2 * PATIENCE)
    wait_until(lambda: len(cobalt.status()["workers"]) == len(POOLS), "it answers", every=1.0)
    assert cobalt.run("doctor", "--sweep").returncode == 0
    process.terminate()
    assert process.wait(PATIENCE) == 0


def main_process(cobalt: Cobalt, pool: str) -> psutil.Process | None:
    """A worker's own process, not those of its pool."""
    found = cobalt.processes(f"{pool}@")
    return next((each for each in found if each.ppid() not in {other.pid for other in found}), None)


def test_kinds_that_wait_never_keep_kinds_that_compute_from_a_process(running: Cobalt) -> None:
    """Every queue is taken by exactly one worker, and no worker takes two sorts. Break: POOLS in catalog.py."""
    taken = {worker["name"].partition("@")[0]: sorted(worker["queues"]) for worker in running.status()["workers"]}
    assert taken == {
        "network": ["banner", "certificate", "domain"],
        "compute": ["geolocation"],
        "control": ["control"],
    }


def test_the_end_of_input_ends_nothing_else(running: Cobalt) -> None:
    """When the tool upstream ends, the page and the workers go on. Break: `options.once` in _Everything._watch."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/api/health", timeout=PATIENCE) as answer:
        assert answer.status == 200
    assert running.status()["workers"]
    assert running.processes("cobalt up") != []
