"""ss, netstat, lsof, conntrack: which end of a connection is the server, on each system."""

from typing import Any

import pytest

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named, recognise
from tests.support.records import connections, details

NOW = 1_800_000_000.0
OUT = ("192.0.2.2", 54321, "203.0.113.80", 443, "tcp")
IN = ("203.0.113.9", 50000, "192.0.2.2", 22, "tcp")
OUT6 = ("2001:db8::2", 54321, "2001:db8::80", 443, "tcp")


def read(name: str, text: str) -> Batch:
    """Recognise and read a text, which must be of a format."""
    data = text.encode()
    chosen = recognise(data)
    assert (chosen.name if chosen else None) == name
    batch = Batch(7, NOW)
    named(name)().parse(data, 0, batch)
    assert batch.rejects == []
    return batch


SS = """Netid State  Recv-Q Send-Q Local Address:Port   Peer Address:Port Process
tcp   LISTEN 0      128          0.0.0.0:22          0.0.0.0:*     users:(("sshd",pid=812,fd=3))
tcp   ESTAB  0      0          192.0.2.2:22      203.0.113.9:50000 users:(("sshd",pid=900,fd=4))
tcp   ESTAB  0      0          192.0.2.2:54321  203.0.113.80:443   users:(("curl",pid=901,fd=5))
tcp   ESTAB  0      0      [2001:db8::2%eth0]:54321 [2001:db8::80]:443
u_str ESTAB  0      0      /run/systemd/journal/stdout 21877 * 21876
"""
SS_TAN = """State      Recv-Q Send-Q Local Address:Port  Peer Address:Port
LISTEN     0      128    *:22                *:*
ESTAB      0      0      192.0.2.2:22        203.0.113.9:50000
ESTAB      0      0      192.0.2.2:54321     203.0.113.80:443
"""
LINUX = """Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      812/sshd
tcp        0      0 192.0.2.2:22            203.0.113.9:50000       ESTABLISHED 900/sshd: root@pts
tcp        0      0 192.0.2.2:54321         203.0.113.80:443        ESTABLISHED 901/curl
tcp6       0      0 2001:db8::2:54321       2001:db8::80:443        TIME_WAIT   -
tcp6       0      0 :::80                   :::*                    LISTEN      813/nginx
udp        0      0 0.0.0.0:68              0.0.0.0:*                           700/dhclient
Active UNIX domain sockets (servers and established)
Proto RefCnt Flags       Type       State         I-Node   PID/Program name     Path
unix  2      [ ACC ]     STREAM     LISTENING     21876    1/init               /run/systemd/private
"""
MACOS = """Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  192.0.2.2.54321        203.0.113.80.443       ESTABLISHED
tcp4       0      0  192.0.2.2.22           203.0.113.9.50000      ESTABLISHED
tcp6       0      0  2001:db8::2.54321      2001:db8::80.443       ESTABLISHED
tcp4       0      0  *.22                   *.*                    LISTEN
udp4       0      0  *.5353                 *.*
"""
WINDOWS = """
Active Connections

  Proto  Local Address          Foreign Address        State           PID
  TCP    0.0.0.0:22             0.0.0.0:0              LISTENING       1044
  TCP    192.0.2.2:54321        203.0.113.80:443       ESTABLISHED     4242
  TCP    192.0.2.2:22           203.0.113.9:50000      ESTABLISHED     1044
  TCP    [2001:db8::2]:54321    [2001:db8::80]:443     TIME_WAIT       0
  UDP    0.0.0.0:5353           *:*                                    2200
"""
LSOF = """COMMAND   PID USER   FD   TYPE             DEVICE SIZE/OFF NODE NAME
sshd      812 root    3u  IPv4              17845      0t0  TCP *:22 (LISTEN)
sshd      900 root    4u  IPv4              21102      0t0  TCP 192.0.2.2:22->203.0.113.9:50000 (ESTABLISHED)
Google    901  ada   25u  IPv4 0x9a1b2c3d4e5f6071      0t0  TCP 192.0.2.2:54321->203.0.113.80:443 (ESTABLISHED)
Google    901  ada   26u  IPv6 0x9a1b2c3d4e5f6072      0t0  TCP [2001:db8::2]:54321->[2001:db8::80]:443 (ESTABLISHED)
"""


@pytest.mark.parametrize(
    ("name", "text", "ignored"),
    [("ss", SS, 2), ("netstat", LINUX, 4), ("netstat", MACOS, 2), ("netstat", WINDOWS, 2), ("lsof", LSOF, 1)],
    ids=["ss", "Linux", "macOS", "Windows", "lsof"],
)
def test_the_end_that_listens_is_the_server(name: str, text: str, ignored: int) -> None:
    """On each system; sockets that listen or are not connected are ignored, and header lines are no records."""
    batch = read(name, text)
    assert sorted(connections(batch)) == sorted([OUT, IN, OUT6])
    assert batch.ignored == ignored


def test_the_first_column_of_ss_may_be_missing() -> None:
    """`ss -tan` lists only TCP, and so leaves it out."""
    assert connections(read("ss", SS_TAN)) == [IN, OUT]


def test_processes_are_kept() -> None:
    """With the connection they belong to."""
    assert [row[8] for row in read("ss", SS).observations] == ["sshd", "curl", None]
    assert [row[8] for row in read("netstat", LINUX).observations] == ["sshd: root@pts", "curl", None]
    assert [row[8] for row in read("lsof", LSOF).observations] == ["sshd", "Google", "Google"]


def test_without_listening_sockets_the_lower_port_decides() -> None:
    """And the details report that it was a guess."""
    batch = read("ss", SS_TAN.replace("LISTEN     0      128    *:22                *:*\n", ""))
    assert connections(batch) == [IN, OUT]
    assert [each["direction"] for each in details(batch)] == ["by port", "by port"]
    assert all("direction" not in each for each in details(read("ss", SS_TAN)))


def test_listening_sockets_are_remembered_over_a_checkpoint() -> None:
    """What listens may stand in an earlier piece of the input."""
    head, tail = SS_TAN.encode().split(b"ESTAB", 1)
    first, second, batch = named("ss")(), named("ss")(), Batch(7, NOW)
    first.parse(head, 0, batch)
    second.state = first.state
    # A port above the server's, which would otherwise be taken for the client's.
    second.parse(b"ESTAB" + tail.replace(b"50000", b"21"), 0, batch)
    assert connections(batch)[0] == ("203.0.113.9", 21, "192.0.2.2", 22, "tcp")


@pytest.mark.parametrize(("name", "line"), [("ss", "ESTAB 0 0 192.0.2.2:xyzzy 203.0.113.9:50000")])
def test_names_of_ports_are_refused_with_what_to_do(name: str, line: str) -> None:
    """Which number a name stands for differs between machines."""
    batch = Batch(7, NOW)
    named(name)().parse(line.encode(), 0, batch)
    assert "use -n" in batch.rejects[0][2]


CONNTRACK: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    (
        ("    [NEW] tcp      6 120 SYN_SENT src=192.0.2.2 dst=203.0.113.80 sport=54321 dport=443 [UNREPLIED] "
        "src=203.0.113.80 dst=192.0.2.2 sport=443 dport=54321"),
        OUT,
        {"state": "SYN_SENT", "event": "NEW", "marks": ["UNREPLIED"]},
    ),
    (
        ("[1700000000.123456]\t[DESTROY] tcp      6 src=192.0.2.2 dst=203.0.113.80 sport=54321 dport=443 packets=10 bytes=1500 "
        "src=203.0.113.80 dst=198.51.100.1 sport=443 dport=54321 packets=8 bytes=9000 [ASSURED]"),
        OUT,
        {"event": "DESTROY", "marks": ["ASSURED"], "orig_bytes": 1500, "reply_bytes": 9000, "orig_packets": 10, "reply_packets": 8, "translated_from": "198.51.100.1"},
    ),
    (
        ("ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.2 dst=203.0.113.80 sport=54321 dport=443 "
        "src=10.0.0.5 dst=192.0.2.2 sport=8443 dport=54321 [ASSURED] mark=0 zone=0 use=2"),
        OUT,
        {"state": "ESTABLISHED", "marks": ["ASSURED"], "translated_to": "10.0.0.5"},
    ),
    (
        "icmp     1 29 src=192.0.2.2 dst=203.0.113.80 type=8 code=0 id=7 src=203.0.113.80 dst=192.0.2.2 type=0 code=0 id=7",
        ("192.0.2.2", 0, "203.0.113.80", 0, "icmp"),
        {"icmp_type": "8", "icmp_code": "0"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected", "kept"), CONNTRACK)
def test_conntrack(line: str, expected: tuple[Any, ...], kept: dict[str, Any]) -> None:
    """Events and entries, of the tool and of the kernel: the original direction is the client's."""
    batch = read("conntrack", line + "\n")
    assert connections(batch) == [expected]
    assert details(batch) == [kept]
