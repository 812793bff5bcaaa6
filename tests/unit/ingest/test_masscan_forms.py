"""masscan's other forms, for people and binary: real lines and what they mean."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named
from tests.support.scans import NOW, certificate, parse, ports, spoken

# masscan's other forms ---------------------------------------------------------------------------------------------


def test_masscan_text_for_people() -> None:
    """Addresses, ports, IPv6 and banners are all read."""
    batch = parse(
        "masscan-text",
        "Discovered open port 443/tcp on 192.0.2.10                                     \n"
        "Banner on port 22/tcp on 2001:db8::10: [ssh] SSH-2.0-OpenSSH_9.6p1\n"
        "Discovered open port 25/tcp on 2001:db8::25    \n"
        "Discovered up port 0/arp on 192.0.2.9 (02:00:00:00:00:09) Vendor\n"
        "Discovered closed port 23/tcp on 192.0.2.9\n"
        "TCP open\t           https[  443]\t\tfrom 192.0.2.11  ttl 54\n"
        "rate:  0.00-kpps, 100.00% done, found=1\n",
    )
    assert [each[:3] for each in ports(batch)] == [
        ("192.0.2.10", "tcp", 443),
        ("2001:db8::10", "tcp", 22),
        ("2001:db8::25", "tcp", 25),
        ("192.0.2.9", "arp", 0),
        ("192.0.2.11", "tcp", 443),
    ]
    assert spoken(batch)[22].banner == b"SSH-2.0-OpenSSH_9.6p1"
    assert (batch.ignored, len(batch.rejects)) == (2, 0)


def binary(*records: tuple[int, bytes], trailer: bool = True) -> bytes:
    """Write a file as masscan -oB does."""
    frame = b"masscan/1.1\ns:1760000000\n".ljust(99, b"\0")
    data = frame
    for kind, body in records:
        length = len(body)
        data += bytes([kind]) + (bytes([length]) if length < 128 else bytes([length >> 7 | 0x80, length & 0x7F])) + body
    return data + (b"masscan/1.1".ljust(99, b"\0") if trailer else b"")


V4 = (6, struct.pack(">IIBHBB", 1760000000, 0xC000020A, 6, 443, 0x12, 54))
CLOSED = (7, struct.pack(">IIBHBB", 1760000000, 0xC000020A, 6, 444, 0x14, 54))
ARP = (8, struct.pack(">IIBHBB", 1760000000, 0xC0000209, 0, 0, 0, 0))
V6 = (10, struct.pack(">IBHBBB16s", 1760000000, 17, 53, 0, 54, 6, bytes.fromhex("20010db8" + "0" * 22 + "10")))
SSH = (9, struct.pack(">IIBHHB", 1760000000, 0xC000020A, 6, 22, 2, 54) + b"SSH-2.0-x" + b"y" * 300)
SSH6 = (
    13,
    struct.pack(">IBHHBB16s", 1760000000, 6, 22, 2, 54, 6, bytes.fromhex("20010db8" + "0" * 22 + "10")) + b"SSH-2.0-z",
)
OLD = (1, struct.pack(">IIHBB", 1760000000, 0xC000020A, 53, 0, 54))


def test_masscan_binary_of_every_record() -> None:
    """IPv4, IPv6, ARP, banners short and long, and the oldest records."""
    batch = parse("masscan-binary", binary(V4, CLOSED, ARP, V6, SSH, SSH6, OLD))
    assert [each[:3] for each in ports(batch)] == [
        ("192.0.2.10", "tcp", 443),
        ("192.0.2.9", "arp", 0),
        ("2001:db8::10", "udp", 53),
        ("192.0.2.10", "tcp", 22),
        ("2001:db8::10", "tcp", 22),
        ("192.0.2.10", "udp", 53),
    ]
    assert (batch.ignored, batch.rejects) == (1, [])
    assert batch.discoveries[0][7] == "ack-syn" or batch.discoveries[0][7] == "syn-ack"
    assert batch.banners[0].banner == b"SSH-2.0-x" + b"y" * 300


def test_numbers_of_services_that_moved_are_decided_by_content() -> None:
    """Above 15 a number means different things in different versions; a certificate is known by how it begins."""
    body = struct.pack(">IIBHHB", 1760000000, 0xC000020A, 6, 443, 16, 54) + base64.b64encode(certificate())
    assert parse("masscan-binary", binary((9, body))).banners[0].service == "X509"


@pytest.mark.parametrize("cut", range(99, len(binary(V4, SSH, V6)), 41))
def test_a_cut_binary_file_keeps_its_whole_records(cut: int) -> None:
    """No trailer, or half a record: at most one reject."""
    batch = parse("masscan-binary", binary(V4, SSH, V6)[:cut])
    whole = sum(cut >= len(binary(*(V4, SSH, V6)[: count + 1], trailer=False)) for count in range(3))
    assert len(batch.discoveries) == whole
    assert len(batch.rejects) <= 1


def test_a_binary_file_that_makes_no_sense_is_given_up_once() -> None:
    """There is no way to find the next record: one reject says so, and the rest is not counted."""
    batch = parse("masscan-binary", binary(V4, trailer=False) + b"\xff" * 1000 + binary(V4))
    assert (len(batch.discoveries), len(batch.rejects)) == (1, 1)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_binary_pieces_are_read_as_the_whole(body: bytes, cut: int) -> None:
    """Where the input is cut into pieces changes nothing."""
    data = binary(V4, (9, SSH[1][:14] + body), V6)
    one, two = Batch(1, NOW), Batch(1, NOW)
    parser = named("masscan-binary")()
    parser.parse(data, 0, one)
    parser = named("masscan-binary")()
    first = parser.split(data[: 99 + cut])
    parser.parse(data[:first], 0, two)
    parser.parse(data[first:], first, two)
    assert (one.discoveries, one.rejects) == (two.discoveries, two.rejects)
