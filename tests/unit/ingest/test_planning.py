"""What follows from records: hosts, ports, jobs."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cobalt_tasks.core import settings
from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.records import Discovery, FactRank, Observation
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.derive import Planner, is_sent_out


def plan(*records: Observation | Discovery, planner: Planner | None = None, **wishes: tuple[str, ...]) -> Batch:
    """Plan a batch of records."""
    batch = Batch(1, 1000.0)
    for record in records:
        batch.observe(record) if isinstance(record, Observation) else batch.discover(record)
    return (planner or make(**wishes)).plan(batch)


def make(**wishes: tuple[str, ...]) -> Planner:
    """Make a planner with a scope."""
    return Planner(settings.load({f"COBALT_{name.upper()}": ",".join(texts) for name, texts in wishes.items()}))


def seen(dst: str = "8.8.8.8", port: int = 443, at: float | None = None, protocol: str = "tcp") -> Observation:
    """Return a connection."""
    return Observation(src_ip="10.0.0.1", dst_ip=dst, dst_port=port, observed_at=at, protocol=protocol)


def opened(address: str = "8.8.8.8", port: int = 443, at: float | None = None, protocol: str = "tcp") -> Discovery:
    """Return an open port."""
    return Discovery(address=address, protocol=protocol, port=port, observed_at=at)


def jobs(batch: Batch) -> set[tuple[str, str, int]]:
    """Return jobs as (kind, address, port)."""
    return {(job.kind, job.address, job.port) for job in batch.jobs}


@given(st.ip_addresses().map(str))
@example("192.0.0.9")
@example("192.0.0.8")
@example("192.31.196.1")
@example("224.0.0.1")
@example("255.255.255.255")
@example("::1")
def test_the_quick_look_at_an_address_is_right(address: str) -> None:
    """The short cut by the first octet says what Python's own table says."""
    assert is_sent_out(address) == is_public(address)


def test_every_first_octet_of_the_quick_look_is_right() -> None:
    """Wherever the short cut speaks for a whole octet, both its ends agree."""
    for octet in range(256):
        for rest in ("0.0.0", "0.0.1", "255.255.255", "168.0.1", "64.0.1"):
            address = f"{octet}.{rest}"
            assert is_sent_out(address) == is_public(address)


def test_a_host_is_seen_from_its_first_to_its_last_record() -> None:
    """Both ends of a connection are hosts; a record from the future counts as now."""
    batch = plan(seen(at=50), seen(at=20), seen(at=90), opened(at=10), opened(at=1e11))
    rows = {row[0]: row[1:] for row in batch.hosts}
    first, last, discovered = rows["8.8.8.8"]
    assert (first, discovered) == (10, True)
    assert 1e9 < last < 1e10
    assert rows["10.0.0.1"] == (20, 90, False)
    assert batch.ports == [("8.8.8.8", "tcp", 443, 10, last, False)]


def test_a_discovery_is_probed_and_a_peer_is_not() -> None:
    """A port of the user's own scan gets a banner job, a TLS port a certificate job; a peer is only looked up."""
    assert jobs(plan(opened(port=22))) == {
        ("banner", "8.8.8.8", 22),
        ("geolocation", "8.8.8.8", 0),
        ("domain", "8.8.8.8", 0),
    }
    assert ("certificate", "8.8.8.8", 8443) in jobs(plan(opened(port=8443)))
    assert {kind for kind, *_ in jobs(plan(seen()))} == {"geolocation", "domain"}


def test_the_scope_bounds_discoveries_and_lets_peers_be_probed() -> None:
    """Once set, it decides for both; an exclusion always wins: invariant 6 of docs/architecture.md. Break: any `allows` in ingest/derive.py."""
    kinds = {kind for kind, *_ in jobs(plan(opened(), scope=("192.0.2.0/24",)))}
    assert kinds == {"geolocation", "domain"}
    assert ("banner", "8.8.8.8", 443) in jobs(plan(seen(), scope=("8.8.8.0/24",)))
    assert ("certificate", "8.8.8.8", 443) in jobs(plan(seen(), scope=("8.8.8.0/24",)))
    assert ("banner", "8.8.8.8", 443) not in jobs(plan(seen(), opened(), scope=("8.8.8.0/24",), exclude=("8.8.8.8",)))
    tls = Discovery(address="8.8.8.8", protocol="tcp", port=4433, service="ssl", banner=b"x")
    assert ("certificate", "8.8.8.8", 4433) in jobs(plan(tls))
    assert ("certificate", "8.8.8.8", 4433) not in jobs(plan(tls, scope=("192.0.2.0/24",)))


@pytest.mark.parametrize(
    "address", ["224.0.0.251", "0.0.0.0", "169.254.1.1", "fe80::1", "ff02::fb", "::", "255.255.255.255"]
)
def test_what_nobody_names_gets_no_job(address: str) -> None:
    """Multicast, unspecified and link-local addresses are stored and left alone."""
    batch = plan(seen(dst=address))
    assert not [job for job in batch.jobs if job.address == address]
    assert address in {row[0] for row in batch.hosts}


def test_private_addresses_are_looked_up_and_never_sent_out() -> None:
    """A reverse look-up asks the user's own resolver; a provider is told nothing."""
    assert {(job.kind) for job in plan(seen(dst="192.168.1.1")).jobs if job.address == "192.168.1.1"} == {"domain"}


def test_only_ports_that_can_be_connected_to_are_probed() -> None:
    """ICMP has no port; a UDP port is asked in the protocol that lives there, and has no certificate job."""
    batch = plan(opened(port=0, protocol="icmp"), opened(port=53, protocol="udp"))
    assert {job.kind for job in batch.jobs} == {"geolocation", "domain", "banner"}
    assert [row[:3] for row in batch.ports] == [("8.8.8.8", "udp", 53)]


@pytest.mark.parametrize("port", [47808, 31337])
def test_every_udp_port_of_a_scan_is_asked(port: int) -> None:
    """A controller's port has its job, too: whether it is asked is decided by the worker, which has the setting."""
    assert ("banner", "udp", port) in {
        (job.kind, job.protocol, job.port) for job in plan(opened(port=port, protocol="udp")).jobs
    }


def test_jobs_are_asked_for_once_and_only_a_commit_counts() -> None:
    """What was not committed is asked for again."""
    planner = make()
    first = plan(opened(), planner=planner)
    assert jobs(plan(opened(), planner=planner)) == jobs(first) != set()
    planner.committed(first)
    assert jobs(plan(opened(), planner=planner)) == set()


def test_an_excluded_host_is_not_even_looked_up() -> None:
    """Exclusions bind DNS and geolocation as they bind probes."""
    assert jobs(plan(opened("8.8.8.8", 443), seen("8.8.4.4"), exclude=("8.8.0.0/16", "10.0.0.0/8"))) == set()


def test_what_only_traffic_shows_is_no_leave_to_probe() -> None:
    """A service that a sensor reports is a port, and its host is none of a scan: only the scope allows to probe it.

    Break: `discovered=not in_traffic`, or the exception of `_hosts`, in ingest/derive.py.
    """
    known = Discovery(
        address="8.8.8.8", protocol="tcp", port=443, service="ssl", seen_in_traffic=True, rank=FactRank.TRAFFIC
    )
    planner = make()
    batch = plan(known, planner=planner)
    assert jobs(batch) == {("geolocation", "8.8.8.8", 0), ("domain", "8.8.8.8", 0)}
    assert [(row[:3], row[5]) for row in batch.ports] == [(("8.8.8.8", "tcp", 443), True)]
    assert [row[3] for row in batch.hosts] == [False]
    planner.committed(batch)
    assert ("banner", "8.8.8.8", 443) in jobs(plan(opened(), planner=planner))
    assert ("certificate", "8.8.8.8", 443) in jobs(plan(known, scope=("8.8.8.0/24",)))
    assert ("banner", "8.8.8.8", 443) not in jobs(plan(known, scope=("192.0.2.0/24",)))


def test_a_service_beside_a_connection_is_a_port_and_no_record() -> None:
    """What a line of traffic shows of a server counts once, as the connection that it is."""
    batch = Batch(1, 1000.0, "zeek")
    batch.observe(seen())
    batch.serve(("8.8.8.8", "tcp", 443), "ssl", b"", None)
    assert batch.records == 1
    assert [row[:3] for row in make().plan(batch).ports] == [("8.8.8.8", "tcp", 443)]
    assert [(each.service, each.rank) for each in batch.facts.banners] == [("tls", FactRank.TRAFFIC)]


def test_own_hosts_have_mac_addresses_with_their_vendor() -> None:
    """The tool's name of the vendor, else the IEEE's; not for hosts elsewhere: that would be a router's."""
    batch = Batch(1, 1000.0, "nmap")
    batch.hardware("192.168.1.2", "B8:27:EB:00:00:01", None, 10.0)
    batch.hardware("192.168.1.3", "02:42:ac:11:00:02", "Docker", 10.0)
    batch.hardware("192.168.1.4", "02:42:ac:11:00:03", None, 10.0)
    batch.hardware("8.8.8.8", "B8:27:EB:00:00:01", None, 10.0)
    make().plan(batch)
    assert [(each.address, each.mac, each.vendor) for each in batch.facts.hardware_addresses] == [
        ("192.168.1.2", "b8:27:eb:00:00:01", "Raspberry Pi Foundation"),
        ("192.168.1.3", "02:42:ac:11:00:02", "Docker"),
        ("192.168.1.4", "02:42:ac:11:00:03", None),
    ]
    assert "192.168.1.2" in {row[0] for row in batch.hosts}
