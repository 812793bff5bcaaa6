"""What published files of tools taught: lines of forms that no example of the tool's own documentation has."""

import pytest

from cobalt_tasks.ingest.formats import advice, recognise
from tests.support.reading import connections, read


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("SPT=33197 DPT=62201", ("192.0.2.9", 33197, "192.0.2.5", 62201, "udp")),
        ("SPT=62201 DPT=33197", ("192.0.2.9", 62201, "192.0.2.5", 33197, "udp")),
        ("SPT=53 DPT=40000", ("192.0.2.5", 40000, "192.0.2.9", 53, "udp")),
    ],
)
def test_a_packet_between_two_high_ports_is_no_answer(ports: str, expected: tuple[object, ...]) -> None:
    """A firewall logs one packet: its sender opened the connection unless it answers from a server's port.

    Break: `_FIRST_EPHEMERAL` in values.py.
    """
    line = f"Feb  9 20:55:06 gw kernel: [13626.5] IN=lo OUT= SRC=192.0.2.9 DST=192.0.2.5 LEN=189 PROTO=UDP {ports} LEN=169\n"
    assert connections(read(line, "iptables")) == [expected]


def test_other_files_that_lsof_lists_are_no_rejects() -> None:
    """Without -i it lists each open file: those are ignored, and the sockets between them are read.

    Break: `_OTHER_FILE` in sockets/lsof.py.
    """
    text = (
        "COMMAND     PID   TID   USER   FD      TYPE  DEVICE SIZE/OFF  NODE NAME\n"
        "systemd       1         root  cwd       DIR     8,2     4096     2 /\n"
        "sshd       1127         root    3u     IPv4   30163      0t0   TCP *:22 (LISTEN)\n"
        "sshd       1200  1303   root    1u     unix 0xffff9      0t0 20341 type=STREAM\n"
        "sshd       1200         root NOFD                                  /proc/1200/fd (opendir: Permission denied)\n"
        "sshd       1200         root    3u     IPv4   30166      0t0   TCP 192.0.2.5:22->192.0.2.9:50000 (ESTABLISHED)\n"
        "sshd       1201         root    3u     IPv4   30166      0t0   somewhere\n"
    )
    batch = read(text, "lsof")
    assert connections(batch) == [("192.0.2.9", 50000, "192.0.2.5", 22, "tcp")]
    assert (batch.ignored, [each[2] for each in batch.rejects]) == (4, ["no line of lsof -i"])


def test_routes_to_neighbours_are_no_scan() -> None:
    """Netstat -rn of macOS has MAC addresses for gateways: none of its hosts answered a scan, and advice is printed.

    Break: `ArpScan.score`.
    """
    table = (
        b"Routing tables\n\nInternet:\n"
        b"Destination        Gateway            Flags        Refs      Use   Netif Expire\n"
        b"default            192.0.2.1          UGSc           85       24     en0\n"
        b"192.0.2.7          00:00:5e:00:53:01  UHLWIi          1     6123     en0   1181\n"
    )
    assert recognise(table) is None
    assert "netstat -an" in advice(table)


def test_the_header_of_netstat_with_control_blocks() -> None:
    """BSD's -A puts a column before the others, also in the header, which is no record."""
    text = (
        "Active Internet connections (including servers)\n"
        "Tcpcb            Proto Recv-Q Send-Q Local Address          Foreign Address        (state)\n"
        "fffff80003df43d0 tcp4       0      0 192.0.2.5.22           192.0.2.9.56321        ESTABLISHED\n"
    )
    batch = read(text, "netstat")
    assert connections(batch) == [("192.0.2.9", 56321, "192.0.2.5", 22, "tcp")]
    assert batch.rejects == []
