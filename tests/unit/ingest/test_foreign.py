"""Forms that are known and not read: the error names what to do."""

import gzip

import pytest

from cobalt_tasks.ingest.formats import advice, recognise


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "tshark -r FILE -T ek | cobalt ingest -"),
        (b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", "tshark -r FILE -T ek | cobalt ingest -"),
        (b"192.0.2.2\t203.0.113.80\t443\n", "-E header=y"),
        (b"1700000000.1,192.0.2.2,203.0.113.80,443\n", "-E header=y"),
        (b"12:00:01.123456 IP 192.0.2.2.54321 > 203.0.113.80.443: Flags [S], seq 1\n", "tcpdump -w FILE.pcap"),
        (b"\x0c\xa5\x01\x00", "nfdump -r FILE -o csv"),
        (b"PK\x03\x04\x14\x00", "unzip"),
        (b'192.0.2.2 - - [10/Oct/2025:13:55:36 +0000] "GET / HTTP/1.1" 200 12\n', "access log"),
        ("\ufefftext".encode("utf-16"), "iconv"),
        (gzip.compress(b"x", mtime=0), "compressed"),
        (b"once upon a time\n", "--format"),
    ],
)
def test_the_advice_is_what_helps(sample: bytes, words: str) -> None:
    """For each, one line; and none of them is taken for a format."""
    assert recognise(sample) is None
    assert words in advice(sample)
    assert "\n" not in advice(sample)
