"""Records that say less than others of their format: what they say is kept, and nothing is made up."""

from tests.support.reading import connections, lines, read, services

TLSX = {
    "timestamp": "2025-01-01T00:00:00Z",
    "host": "192.0.2.1",
    "ip": "192.0.2.1",
    "port": "443",
    "tls_version": "tls13",
}


def test_a_port_that_tlsx_found_without_tls_is_no_service() -> None:
    """It was looked at, and did not speak TLS. Break: `probe_status` in tlsx.py."""
    batch = read(lines({**TLSX, "probe_status": True}, {**TLSX, "port": "444", "probe_status": False}), "tlsx")
    assert list(services(batch)) == [("192.0.2.1", 443)]
    assert batch.ignored == 1


def test_tshark_prints_a_broadcast_and_its_header() -> None:
    """Neither is a connection, and neither is refused. Break: the MAC addresses in tshark/text.py."""
    text = (
        "    1   0.000000    192.0.2.1 → 192.0.2.2    TCP 74 40000 → 443 [SYN] Seq=0 Win=1 Len=0\n"
        "    2   0.000001 02:00:00:00:00:01 → Broadcast    ARP 42 Who has 192.0.2.9? Tell 192.0.2.1\n"
    )
    batch = read(text)
    assert (len(connections(batch)), batch.ignored, batch.rejects) == (1, 1, [])
