"""Nothing outside scope, or excluded, ever receives a packet: invariant 6 of docs/architecture.md, by counting packets where they leave.

The program runs in a network namespace whose only way out leads to a place where every address answers, excluded ones too.
"""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset
import msgspec
import pytest
from sqlalchemy import select

from cobalt_tasks.celery import app
from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import FINAL_STATES, NewJob
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.broker import Broker
from tests.acceptance.conftest import Cobalt
from tests.support import netns
from tests.support.waiting import PATIENCE, wait_until

EXCLUDED = "10.20.66.0/24,9.9.66.0/24"
SCOPE = "10.20.0.0/16,64:ff9b::/96,2002::/16"
RESOLVER, PROVIDER = "10.20.0.53", "10.30.0.1"
EXCLUDED_HOST = "10.20.66.7"
PUBLIC, EXCLUDED_PUBLIC = "9.9.9.9", "9.9.66.9"
DISCOVERED = ("10.20.0.10", "10.20.0.11", "64:ff9b::a14:c")
ELSEWHERE = "10.21.0.10"
"""Discovered, and outside the scope where one is set."""

SCAN = f"""#masscan
open tcp 80 {DISCOVERED[0]} 1795341438
open tcp 443 {DISCOVERED[1]} 1795341438
open tcp 80 {DISCOVERED[2]} 1795341438
open tcp 80 {ELSEWHERE} 1795341438
open tcp 80 10.20.66.5 1795341438
open tcp 443 10.20.66.5 1795341438
open tcp 80 ::ffff:10.20.66.6 1795341438
open tcp 80 64:ff9b::a14:4208 1795341438
open tcp 80 2002:a14:4209::1 1795341438
open tcp 80 0.0.0.0 1795341438
# end
"""
TALKED = ("10.22.0.9", "10.20.66.10", PUBLIC, EXCLUDED_PUBLIC)
"""Only seen in traffic."""


def connection(target: str) -> str:
    """Return a capture line about a connection to a host."""
    return (
        json.dumps({"type": "connection", "src_ip": netns.OWN, "dst_ip": target, "dst_port": 80, "timestamp": 1}) + "\n"
    )


class Outside:
    """Every address outside: web servers that redirect to an excluded host, name servers that lead to it, a provider."""

    def __init__(self) -> None:
        """Remember what the provider is asked."""
        self.asked: list[str] = []

    def web(self, client: socket.socket) -> None:
        """Answer a request: as ip-api if it is a batch."""
        request = client.makefile("rb")
        first, size = request.readline(), 0
        while (line := request.readline().strip()) and first:
            if line.lower().startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        head = f"HTTP/1.1 302 Found\r\nLocation: http://{EXCLUDED_HOST}/\r\n"
        body = b""
        if first.startswith(b"POST /batch"):
            wanted = [
                each if isinstance(each, str) else each["query"] for each in msgspec.json.decode(request.read(size))
            ]
            self.asked += wanted
            places = [{"status": "success", "query": each, "country": "Here", "lat": 1, "lon": 2} for each in wanted]
            head, body = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", msgspec.json.encode(places)
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def name(self, server: socket.socket) -> None:
        """Answer a question: every address has a name, and every name the address of an excluded host."""
        data, client = server.recvfrom(4096)
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        asked = question.question[0]
        text = {dns.rdatatype.PTR: "name.example.", dns.rdatatype.A: EXCLUDED_HOST}.get(asked.rdtype)
        if text:
            answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", asked.rdtype, text))
        server.sendto(answer.to_wire(), client)


class Trial:
    """The program in its namespace, and its ledger seen from here: files have no namespace."""

    def __init__(self, cobalt: Cobalt, network: netns.Network) -> None:
        """Start nothing yet."""
        self.cobalt = cobalt
        self.prefix = ["ip", "netns", "exec", network.inside]
        self.settings = environment.load(cobalt.environment)
        self.database = open_ledger(self.settings)

    def ingest(self, form: str, text: str) -> None:
        """Ingest a file."""
        file = self.cobalt.home / f"input-{form}"
        file.write_text(text)
        done = subprocess.run(
            [*self.prefix, "cobalt", "ingest", form, str(file)],
            env=self.cobalt.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @contextmanager
    def up(self) -> Iterator[None]:
        """Run `cobalt up` for the block."""
        ports = ["--port", str(self.cobalt.port), "--flower-port", str(self.cobalt.flower_port)]
        with (self.cobalt.home / "up.out").open("w") as output:
            process = subprocess.Popen(
                [*self.prefix, "cobalt", "up", *ports],
                env=self.cobalt.environment,
                cwd=self.cobalt.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs."""
        with self.database.reading() as connected:
            return [dict(row) for row in connected.execute(select(table)).mappings()]

    def wait_for_the_end(self) -> None:
        """Wait until all jobs are final."""
        wait_until(
            lambda: all(job["state"] in FINAL_STATES for job in self.jobs()),
            "all jobs are final",
            seen=lambda: (self.jobs(), self.cobalt.output),
            every=0.2,
        )

    def forge(self, kind: str, new: NewJob) -> None:
        """Make a job that no message names, and send a message of another kind, or of its own, that does."""
        level = BY_NAME[new.kind].level(Urgency.ORDINARY)

        def make(connected: Any) -> None:
            creation.create(connected, [new])
            jobs.mark_sent(connected, new.kind, level, 100)

        self.database.write(make)
        (row,) = (row for row in self.jobs() if row["kind"] == new.kind and row["address"] == new.address)
        with app.connection_for_write(self.settings.broker_url) as broker:
            app.send_task(BY_NAME[kind].task, args=([row["id"]],), queue=kind, priority=0, connection=broker)

    def broker_answers(self) -> bool:
        """Return whether Redis is there."""
        try:
            Broker(self.settings).ping()
        except BrokerUnavailableError:
            return False
        return True


@pytest.fixture
def outside() -> Outside:
    """What answers at every address."""
    return Outside()


@pytest.fixture
def network(outside: Outside) -> Iterator[netns.Network]:
    """The namespaces, with servers."""
    with netns.network(f"cobalt-{os.getpid()}") as made, ExitStack() as servers:
        for port in (80, 443):
            servers.enter_context(netns.serving(made.listen(socket.SOCK_STREAM, port), outside.web))
        servers.enter_context(netns.serving(made.listen(socket.SOCK_DGRAM, 53, RESOLVER), outside.name))
        yield made


@pytest.mark.parametrize("scope", [SCOPE, pytest.param(None, marks=pytest.mark.long)], ids=["scope", "no scope"])
def test_who_may_not_receive_a_packet_receives_none(
    scope: str | None, network: netns.Network, outside: Outside, make_cobalt: Callable[[], Cobalt]
) -> None:
    """Discovered, excluded, inside other addresses, seen in traffic, redirected to, named, forged: only who may be probed
    receives anything, besides the resolver and the provider that the settings name.

    Break: the scope in Net.connect and in _may_run together; `usable` in Resolvers; `excludes` in Geolocator.look_up.
    """
    cobalt = make_cobalt()
    cobalt.environment |= {
        "COBALT_EXCLUDE": EXCLUDED,
        "COBALT_RESOLVERS": f"10.20.66.53,{RESOLVER}",
        "COBALT_GEO_PROVIDERS": "ip-api",
        "COBALT_IPAPI_URL": f"http://{PROVIDER}",
        "COBALT_PROBE_TIMEOUT": "2",
        **({"COBALT_SCOPE": scope} if scope else {}),
    }
    trial = Trial(cobalt, network)
    sent = network.watch()
    trial.ingest("masscan", SCAN)
    trial.ingest("capture", "".join(map(connection, TALKED)))
    with trial.up():
        wait_until(trial.broker_answers, "Redis answers")
        trial.forge("banner", NewJob(kind="domain", address=TALKED[0], forced=True))
        for target in (TALKED[0], TALKED[1], EXCLUDED_HOST):
            trial.forge("banner", NewJob(kind="banner", address=target, protocol="tcp", port=80))
        trial.forge("domain", NewJob(kind="domain", address=EXCLUDED_HOST))
        trial.forge("geolocation", NewJob(kind="geolocation", address=EXCLUDED_PUBLIC, forced=True))
        trial.wait_for_the_end()
    missed = sent.stop()
    assert missed == 0
    outcomes = {(row["kind"], row["address"]): row["outcome"] for row in trial.jobs()}
    may_be_probed = {*DISCOVERED, *([] if scope else [ELSEWHERE])}
    received = {target for target, count in sent.counts.items() if count}
    assert received - {"127.0.0.1", "::1"} == {*may_be_probed, RESOLVER, PROVIDER}, outcomes
    assert set(outside.asked) == {PUBLIC}
    trial.database.dispose()
