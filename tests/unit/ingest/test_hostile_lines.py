"""Lines that are made to hurt: none stops the input, and none takes more than time that grows with its length."""

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import registry

NOW = 1_800_000_000.0


def read(name: str, line: bytes) -> Batch:
    """Return what one line comes to in a format."""
    batch = Batch(1, NOW, name)
    registry.named(name)().parse(line + b"\n", 0, batch)
    return batch


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("conntrack", "tcp 6 9 src=192.0.2.1 dst=192.0.2.2 sport=1 dport=2 packets=²"),
        ("iptables", "Nov 26 16:26:22 h kernel: IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=²"),
        (
            "zeek-json",
            '{"_path":"conn","ts":1,"uid":"C","id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.2","ip_proto":"²"}',
        ),
        (
            "zeek-json",
            f'{{"_path":"conn","ts":1,"uid":"C","id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.2","ip_proto":"{"9" * 5000}"}}',
        ),
    ],
    ids=["conntrack", "iptables", "zeek", "zeek-long"],
)
def test_digits_that_are_no_numbers(name: str, line: str) -> None:
    """A superscript is a digit and no number, and a number may have more digits than Python reads: one record all the same."""
    assert read(name, line.encode()).records == 1
