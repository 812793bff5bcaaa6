"""The lab's table and its scan agree."""

import json

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks import lab
from cobalt_tasks.lab.endpoints import ADDRESSES, DOMAIN
from cobalt_tasks.lab.nameserver import Names
from cobalt_tasks.lab.services import SERVICES


def test_the_scan_lists_every_tcp_service() -> None:
    """The scan is masscan's JSON, one record per line, with each endpoint of the table but the DNS server."""
    lines = lab.scan_lines()
    records = json.loads(lines)
    listed = [(record["ip"], record["ports"][0]["port"]) for record in records]
    assert listed == [(endpoint.address, endpoint.port) for endpoint in lab.ENDPOINTS if endpoint.kind != "dns"]
    assert all(record["ports"][0]["status"] == "open" for record in records)
    assert lines.startswith(b"[\n{")
    assert lines.endswith(b"}\n]\n")
    assert lines == lab.scan_lines()


def test_every_place_can_be_served() -> None:
    """Places are on loopback, above 1023 and below the range of ephemeral ports, each of a known kind."""
    for endpoint in lab.ENDPOINTS:
        assert endpoint.address.startswith("127.77.")
        assert 1023 < endpoint.port < 32768
        assert endpoint.kind in {*SERVICES, "refusing", "dns"}
    assert lab.RESOLVER == "127.77.0.53:25353"
    assert lab.resolvers()[0] == lab.RESOLVER


NAMES = Names(DOMAIN, ADDRESSES, lab.NAMES)


@pytest.mark.parametrize(
    ("name", "kind", "code", "count"),
    [
        ("15.0.77.127.in-addr.arpa", "PTR", dns.rcode.NOERROR, 2),
        ("18.0.77.127.in-addr.arpa", "PTR", dns.rcode.NXDOMAIN, 0),
        ("WWW.lab.example", "A", dns.rcode.NOERROR, 1),
        ("www.lab.example", "AAAA", dns.rcode.NOERROR, 0),
        ("nobody.lab.example", "A", dns.rcode.NXDOMAIN, 0),
        ("8.8.8.8.in-addr.arpa", "PTR", dns.rcode.REFUSED, 0),
        ("example.com", "A", dns.rcode.REFUSED, 0),
    ],
)
def test_names(name: str, kind: str, code: dns.rcode.Rcode, count: int) -> None:
    """What is the lab's is answered with authority, negative answers with an SOA; all else is refused."""
    response = NAMES.answer(dns.message.make_query(name, kind).to_wire())
    assert response is not None
    assert response.rcode() == code
    assert sum(len(answer) for answer in response.answer) == count
    assert bool(response.authority) is (code != dns.rcode.REFUSED and not count)


@given(st.binary(max_size=100))
def test_any_query(wire: bytes) -> None:
    """What is no query gets no answer, and no exception."""
    response = NAMES.answer(wire)
    assert response is None or response.to_wire()
