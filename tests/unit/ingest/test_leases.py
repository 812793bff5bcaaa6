"""Leases of DHCP servers: the MAC address and the name of each host, as of the last word of its client."""

from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from tests.support.reading import NOW, about, names, ports, read

MAC = "52:54:00:12:34:56"
GIVEN = 1734631081.0
"""2024-12-19 17:58:01 UTC."""

ISC = """lease 192.168.1.20 {
  starts 4 2024/12/19 17:00:00;
  ends 4 2024/12/19 18:08:01;
  cltt 4 2024/12/19 17:58:01;
  binding state active;
  hardware ethernet 52:54:00:12:34:56;
  client-hostname "laptop";
}
"""
KEA = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
    f"192.168.1.20,{MAC},01:{MAC},3600,1734634681,1,0,0,laptop,0,,0\n"
)
DNSMASQ = f"{GIVEN:.0f} {MAC} 192.168.1.20 laptop 01:{MAC}\n"


def hosts(batch: Batch) -> list[tuple[str, str, float]]:
    """Return (address, MAC address, when) of each host."""
    return [(each.address, each.mac, each.observed_at) for each in batch.hardware_addresses]


@pytest.mark.parametrize(
    ("text", "name"),
    [(ISC, "dhcpd-leases"), (KEA, "kea-leases"), (DNSMASQ, "dnsmasq-leases")],
    ids=["isc", "kea", "dnsmasq"],
)
def test_a_lease_is_a_host_with_a_mac_address_and_a_name(text: str, name: str) -> None:
    """Whichever server wrote it; a host that asked for an address is not probed for that."""
    batch = read(text, name)
    assert hosts(batch) == [("192.168.1.20", MAC, GIVEN)]
    assert names(batch) == {("192.168.1.20", "laptop")}
    assert ports(batch) == [("192.168.1.20", "ip", 0)]
    assert batch.in_traffic == {("192.168.1.20", "ip", 0)}


def test_times_of_iscs_other_form() -> None:
    """`db-time-format local` writes seconds, with the date in a comment; `never` is no time."""
    batch = read(
        "lease 192.168.1.20 {\n  starts epoch 1734631081; # Thu Dec 19 17:58:01 2024\n  ends never;\n"
        f"  hardware ethernet {MAC};\n}}\n"
    )
    assert hosts(batch) == [("192.168.1.20", MAC, GIVEN)]
    assert "ends" not in about(batch)[0]


@pytest.mark.parametrize("date", ["1012/12/19", "0001/01/01", "2024/13/19"])
def test_a_date_that_no_lease_has_is_no_time(date: str) -> None:
    """A time before 1970, or of no calendar, is left out, and the rest is read. Break: the bounds in isc._seconds."""
    batch = read(ISC.replace("cltt 4 2024/12/19", f"cltt 4 {date}").replace("starts 4 2024/12/19", f"starts 4 {date}"))
    assert hosts(batch) == [("192.168.1.20", MAC, NOW)]


def test_addresses_of_one_client_of_ipv6() -> None:
    """One association has several; its name may have any bytes, also braces."""
    batch = read(
        'ia-na "\\264 }{ \\"x" {\n  cltt 4 2024/12/19 17:58:01;\n  iaaddr 2001:db8::20 {\n    binding state active;\n'
        '    set ddns-fwd-name = "laptop.example.com";\n  }\n  iaaddr 2001:db8::21 {\n    binding state expired;\n  }\n}\n'
    )
    assert [(row[1], row[5]) for row in batch.discoveries] == [("2001:db8::20", GIVEN), ("2001:db8::21", GIVEN)]
    assert [each["state"] for each in about(batch)] == ["active", "expired"]
    assert names(batch) == {("2001:db8::20", "laptop.example.com")}


def test_a_lease_without_its_end_does_not_take_the_next_with_it() -> None:
    """The server was stopped as it wrote; one that is cut at the end of the file is refused too."""
    cut = ISC.replace("}\n", "").replace("1.20", "1.19")
    batch = read(cut + ISC + cut)
    assert hosts(batch) == [("192.168.1.20", MAC, GIVEN)]
    assert [row[2] for row in batch.rejects] == ["the lease has no end"] * 2


@pytest.mark.parametrize(
    "line",
    [
        "192.168.1.20,,,3600,1734634681,1,0,0,,1,,0",
        f"192.168.1.20,{MAC},,0,1734634681,1,0,0,laptop,0,,0",
    ],
    ids=["declined", "taken back"],
)
def test_what_is_no_lease_of_kea(line: str) -> None:
    """An address that is in use by another host, and a lease that was deleted."""
    batch = read(KEA.partition("\n")[0] + f"\n{line}\n")
    assert (batch.ignored, batch.discoveries) == (1, [])


def test_other_lines_of_dnsmasq() -> None:
    """The kind of hardware before the address, no name, leases of IPv6 behind the server's own identifier, and no end.

    Break: `_FIRST` in leases/dnsmasq.py: machines without a clock write how long a lease lasts.
    """
    batch = read(
        f"86400 {MAC} 192.168.1.19 * *\n0 06-{MAC} 192.168.1.20 * *\nduid 00:01:00:01:26:d3:08:d3:{MAC}\n1734631081 12345678 2001:db8::20 laptop 00:01\n"
    )
    found: list[tuple[Any, ...]] = [(row[1], row[5]) for row in batch.discoveries]
    assert found == [("192.168.1.19", NOW), ("192.168.1.20", NOW), ("2001:db8::20", GIVEN)]
    assert [each.mac for each in batch.hardware_addresses] == [MAC, MAC]
    assert names(batch) == {("2001:db8::20", "laptop")}
    assert batch.records == 3
