"""Packet captures by name: an installed tshark reads them, and each connection is one row."""

import gzip
import shutil
import struct
from pathlib import Path

import pytest

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named, recognise
from cobalt_tasks.ingest.streams.files import FileStream
from tests.support.records import connections

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

CLIENT, SERVER = bytes((192, 0, 2, 2)), bytes((203, 0, 113, 80))
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10


def packet(source: bytes, target: bytes, ports: tuple[int, int], flags: int) -> bytes:
    """Return an Ethernet frame with a TCP segment."""
    tcp = struct.pack(">HHIIBBHHH", *ports, 1, 1, 0x50, flags, 64000, 0, 0)
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, source, target)
    return b"\x00\x00\x5e\x00\x53\x01\x00\x00\x5e\x00\x53\x02\x08\x00" + head + tcp


def capture(*, cut: int = 0) -> bytes:
    """Return a pcap with two connections; the first packet of the second is missing."""
    frames = [
        packet(CLIENT, SERVER, (54321, 443), SYN),
        packet(SERVER, CLIENT, (443, 54321), SYN_ACK),
        packet(CLIENT, SERVER, (54321, 443), ACK),
        packet(SERVER, CLIENT, (22, 40000), ACK),
        packet(CLIENT, SERVER, (40000, 22), ACK),
    ]
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        data += struct.pack("<IIII", 1_700_000_000 + number, 250_000, len(frame), len(frame)) + frame
    return data[: len(data) - cut]


def read(path: Path) -> bytes:
    """Return what the stream of a file holds."""
    stream = FileStream(path)
    try:
        return stream.read(1 << 20)
    finally:
        stream.close()


@pytest.mark.parametrize("name", ["a.pcap.gz", "cut.pcap"])
def test_a_capture_is_its_connections(name: str, tmp_path: Path) -> None:
    """Not its packets; the client is the source, and a capture that was cut is read as far as it goes."""
    data = capture(cut=5 if name.startswith("cut") else 0)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    lines = read(path)
    chosen = recognise(lines)
    assert chosen is named("tshark-fields")
    batch = Batch(1, 1_800_000_000.0, chosen.tool)
    chosen().parse(lines, 0, batch)
    assert batch.rejects == []
    ends = ("192.0.2.2", "203.0.113.80")
    assert set(connections(batch)) == {(ends[0], 54321, ends[1], 443, "tcp"), (ends[0], 40000, ends[1], 22, "tcp")}


def test_without_tshark_the_error_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to read the capture elsewhere."""
    path = tmp_path / "a.pcap"
    path.write_bytes(capture())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="apt install tshark"):
        FileStream(path)


def test_a_capture_that_tshark_cannot_read_is_named(tmp_path: Path) -> None:
    """With tshark's own words."""
    path = tmp_path / "broken.pcap"
    path.write_bytes(capture()[:4] + b"\xff" * 64)
    with pytest.raises(ConfigurationError, match=r"broken\.pcap: tshark cannot read it"):
        read(path)
