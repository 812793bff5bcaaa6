"""Tables of sockets and flows, and logs of firewalls, in the forms that their tools write with other options."""

import time

import pytest

from tests.support.reading import connections, details, read
from tests.support.rows import connection_rows

HEAD = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State\n"


def test_the_dates_of_argus_may_have_slashes() -> None:
    """As in the published CTU-13 files; a time of day alone is kept as it is written.

    Break: the slashes in flows/argus.py.
    """
    batch = read(
        HEAD + "2011/08/10 09:46:59.607825,1.0,tcp,192.0.2.2,1577,   ->,203.0.113.9,6881,S_RA\n"
        "09:46:59.607825,1.0,rtp,192.0.2.2,1577,   ->,203.0.113.9,http,S_RA\n"
    )
    assert connection_rows(batch)[0][1] == 1312969619.607825
    assert details(batch)[1]["stime"] == "09:46:59.607825"
    assert [row[3:] for row in connections(batch)] == [(6881, "tcp"), (80, "udp")]


@pytest.mark.parametrize("order", [1, -1])
def test_flags_of_a_vpc_flow_show_who_opened_it(order: int) -> None:
    """A SYN is the client's, a SYN with ACK the server's, whichever port is lower; both directions stay one connection."""
    head = "srcaddr dstaddr srcport dstport protocol start tcp-flags log-status\n"
    lines = [
        "192.0.2.2 203.0.113.9 3000 5001 6 1566848875 2 OK\n",
        "203.0.113.9 192.0.2.2 5001 3000 6 1566848875 18 OK\n",
    ]
    batch = read(head + "".join(lines[::order]))
    assert connections(batch) == [("192.0.2.2", 3000, "203.0.113.9", 5001, "tcp")]
    assert "direction" not in details(batch)[0]


def test_conntrack_keeps_what_is_translated() -> None:
    """Source and target translation, marks, and ICMP's type, whose id is no connection's."""
    batch = read(
        "tcp      6 60 ESTABLISHED src=192.168.1.2 dst=203.0.113.9 sport=51000 dport=443 "
        "src=203.0.113.10 dst=198.51.100.5 sport=443 dport=51000 [ASSURED] mark=7\n"
        "icmp     1 29 src=192.168.1.2 dst=203.0.113.9 type=8 code=0 id=77 src=203.0.113.9 dst=192.168.1.2 type=0 code=0 id=77\n"
    )
    first, second = details(batch)
    assert (first["translated_to"], first["translated_from"], first["mark"]) == ("203.0.113.10", "198.51.100.5", "7")
    assert (second["icmp_type"], second["icmp_code"]) == ("8", "0")
    assert connection_rows(batch)[1][9].startswith("icmp 77 ")


@pytest.mark.parametrize(
    "text",
    [
        "Recv-Q Send-Q Local Address:Port Peer Address:Port\n0 0 10.0.0.1:51000 10.0.0.2:443\n",
        'Netid Recv-Q Send-Q Local Address:Port Peer Address:Port\ntcp 0 0 10.0.0.1:51000 10.0.0.2:443 users:(("a",pid=1,fd=3))\n',
        "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nESTAB 0 0 10.0.0.1:51000 10.0.0.2:https\n",
        "ESTAB 0 0 10.0.0.1:51000 10.0.0.2:443\n\t cubic wscale:8,7 rto:204 rtt:3.5/1.7 mss:1448\n",
    ],
)
def test_ss_with_other_options(text: str) -> None:
    """`state established` leaves a column out, without -n ports have names, -i prints lines below the sockets."""
    batch = read(text, "ss")
    assert connections(batch) == [("10.0.0.1", 51000, "10.0.0.2", 443, "tcp")]
    assert not batch.rejects


@pytest.mark.parametrize(
    ("text", "expected", "ignored"),
    [
        (  # Windows, -abno
            (
                "Active Connections\n\n  Proto  Local Address          Foreign Address        State           PID\n"
                "  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       972\n RpcSs\n [svchost.exe]\n"
                "  TCP    192.168.1.5:49700      203.0.113.9:443        ESTABLISHED     4321\n [chrome.exe]\n"
            ),
            {"state": "ESTABLISHED", "pid": 4321},
            4,
        ),
        (  # Solaris
            (
                "\nTCP: IPv4\n   Local Address        Remote Address    Swind Send-Q Rwind Recv-Q    State\n"
                "-------------------- -------------------- ----- ------ ----- ------ -----------\n"
                "127.0.0.1.5999             *.*                0      0 49152      0 LISTEN\n"
                "192.168.1.5.49700    203.0.113.9.443       64128      0 49640      0 ESTABLISHED\n"
            ),
            {"state": "ESTABLISHED"},
            1,
        ),
        (  # German
            (
                "Aktive Verbindungen\n\n  Proto  Lokale Adresse         Remoteadresse          Status\n"
                "  TCP    0.0.0.0:135            0.0.0.0:0              ABHÖREN\n"
                "  TCP    192.168.1.5:49700      203.0.113.9:443        HERGESTELLT\n"
            ),
            {"state": "HERGESTELLT"},
            1,
        ),
    ],
    ids=["windows", "solaris", "german"],
)
def test_netstat_of_other_systems(text: str, expected: dict[str, object], ignored: int) -> None:
    """Processes below the sockets, dots before the ports, states in another language."""
    batch = read(text, "netstat")
    assert connections(batch) == [("192.168.1.5", 49700, "203.0.113.9", 443, "tcp")]
    assert (details(batch), batch.ignored, batch.rejects) == ([expected], ignored, [])


def test_a_privileged_port_is_the_servers_although_it_is_not_listed() -> None:
    """A table that was filtered lists one listening socket, and not the one of this connection."""
    batch = read(
        "LISTEN 0 5 *:8080 *:*\nESTAB 0 0 10.0.0.1:22 10.0.0.2:50001\nESTAB 0 0 10.0.0.1:3000 10.0.0.2:50001\n"
    )
    assert [row[3] for row in connections(batch)] == [22, 50001]


@pytest.mark.parametrize(
    ("text", "when", "ends"),
    [
        (
            "[Tue Dec 29 11:52:40 2015] X:IN=eth4 OUT= MAC=bc SRC=192.0.2.9 DST=192.0.2.5 PROTO=TCP SPT=80 DPT=57036 RST",
            1451389960.0,
            ("192.0.2.5", 57036, "192.0.2.9", 80, "tcp"),
        ),
        (
            "[2026-09-03 08:35:10] [UFW BLOCK] IN=eth0 OUT=eth1 SRC=192.0.2.9 DST=192.0.2.5 PROTO=UDP SPT=53 DPT=40000",
            1788424510.0,
            ("192.0.2.5", 40000, "192.0.2.9", 53, "udp"),
        ),
        (
            "Aug 24 02:56:22 srv kernel: [UFW BLOCK] IN=eth0 SRC=192.0.2.9 DST=192.0.2.5 PROTO=TCP SPT=4444 DPT=22",
            None,
            ("192.0.2.9", 4444, "192.0.2.5", 22, "tcp"),
        ),
    ],
)
def test_packets_of_a_linux_firewall(text: str, when: float | None, ends: tuple[object, ...]) -> None:
    """Times of `dmesg -T` and of a logger, answers over UDP, lines without OUT=."""
    batch = read(text + "\n", "iptables")
    assert connections(batch) == [ends]
    assert when in {None, connection_rows(batch)[0][1]}


def test_the_packet_that_an_error_is_about_is_kept() -> None:
    """ICMP's error has it in brackets: it is no connection of its own."""
    text = "DROP IN=eth0 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=ICMP TYPE=3 CODE=3 [SRC=10.0.0.2 DST=10.0.0.1 PROTO=UDP SPT=53 DPT=4000 ]"
    batch = read(text + "\n")
    assert connections(batch) == [("10.0.0.1", 0, "10.0.0.2", 0, "icmp")]
    assert details(batch)[0]["packet"].startswith("SRC=10.0.0.2 DST=10.0.0.1 PROTO=UDP")


def test_pfsense_keeps_what_follows_the_addresses() -> None:
    """The type of ICMP, time to live and length; an answer over UDP goes back to the client."""
    head = "filterlog[123]: 7,,,0,em0,match,pass,in,4,0x0,,64,0,0,DF,"
    batch = read(f"{head}1,icmp,84,10.0.0.1,10.0.0.2,request,1,164\n{head}17,udp,76,10.0.0.1,10.0.0.2,53,40000,56\n")
    assert details(batch)[0]["rest"] == ["request", "1", "164"]
    assert (details(batch)[0]["ttl"], details(batch)[0]["length"]) == ("64", "84")
    assert connections(batch)[1] == ("10.0.0.2", 40000, "10.0.0.1", 53, "udp")


def test_a_time_before_1970_is_none() -> None:
    """No table takes it: the line counts as written when it arrived."""
    batch = read("[Tue Dec 29 11:52:40 1066] x IN=eth0 OUT= SRC=192.0.2.9 DST=192.0.2.5 PROTO=TCP SPT=8 DPT=9 SYN\n")
    assert connection_rows(batch)[0][1] == 1_800_000_000.0


@pytest.mark.parametrize("group", ["ff02::1:2", "FF05::1:3", "239.255.255.250", "255.255.255.255"])
def test_what_is_sent_to_many_is_no_answer(group: str) -> None:
    """DHCP of IPv6 goes from port 546 to 547 of a multicast address, which sends nothing itself.

    Break: the test of the destination in `values.is_from_server`.
    """
    source, version = ("fe80::1", "6") if ":" in group else ("192.0.2.9", "4")
    cells = "0x00,0xf6279,1,UDP,17,32" if version == "6" else "0x0,,64,1,0,none,17,udp,76"
    batch = read(
        f"<134>Jul  3 19:10:31 filterlog[7]: 6,,,1,igb1,match,block,in,{version},{cells},{source},{group},546,547,32\n"
    )
    assert connections(batch) == [(source, 546, group.lower(), 547, "udp")]


@pytest.mark.parametrize("written", ["Jan 1 02:21:38", "Jan  1 02:21:38", "Jan 01 02:21:38", "Jan  1 2026 02:21:38"])
def test_the_day_of_syslog_needs_no_padding(written: str) -> None:
    """OPNsense writes `Jan 1`: the time is the line's, not that of its arrival. Some write the year.

    Break: two characters for the day in firewalls/log_time.py.
    """
    batch = read(
        f"<134>{written} fw filterlog[9]: 1,,,2,igb1,match,block,in,4,0x0,,63,1,0,DF,6,tcp,60,192.0.2.2,203.0.113.9,5,853,0,S,1,,6,,\n"
    )
    when = time.localtime(connection_rows(batch)[0][1])
    assert when[1:6] == (1, 1, 2, 21, 38)


def test_a_packet_filter_keeps_both_lengths_and_the_rule_alone() -> None:
    """UDP's LEN does not take the place of IP's, and the time before a prefix of -j LOG is no part of the rule.

    Break: `without_time` or the list of values in firewalls/linux.py.
    """
    batch = read(
        "Jan  8 03:37:09 DENY: IN=eth0 OUT= SRC=192.0.2.2 DST=203.0.113.9 LEN=76 TTL=8 ID=1 PROTO=UDP SPT=50000 DPT=53 LEN=56\n"
    )
    (kept,) = details(batch)
    assert (kept["rule"], kept["len"]) == ("DENY", ["76", "56"])


def test_conntrack_with_kernel_times_has_the_start() -> None:
    """-o ktimestamp writes when a connection started, and GRE has keys instead of ports.

    Break: the start in sockets/conntrack.py.
    """
    batch = read(
        "udp      17 4 src=192.0.2.2 dst=203.0.113.9 sport=52641 dport=53 packets=1 bytes=68 src=203.0.113.9 dst=192.0.2.2 "
        "sport=53 dport=52641 packets=1 bytes=155 mark=0 delta-time=26 [start=Sun Sep 20 15:32:30 2026] use=1\n"
        "gre      47 30 src=192.0.2.2 dst=203.0.113.9 srckey=0x1a2b dstkey=0x0 src=203.0.113.9 dst=192.0.2.2 srckey=0x0 "
        "dstkey=0x1a2b mark=0 use=1\n"
    )
    assert time.localtime(connection_rows(batch)[0][1])[:6] == (2026, 9, 20, 15, 32, 30)
    first, second = details(batch)
    assert (first["delta-time"], second["srckey"]) == ("26", "0x1a2b")


@pytest.mark.parametrize("start", ["09-11-18+09:00:03.5", "2009/11/18.09:00:03.5", "2009-11-18 09:00:03.5"])
def test_argus_with_a_time_format_of_its_own(start: str) -> None:
    """RA_TIME_FORMAT is often set, since the default has no date.

    Break: `_iso` in flows/argus.py.
    """
    batch = read(f"{HEAD}{start},1.0,udp,192.0.2.2,1577,   ->,203.0.113.9,53,CON\n")
    assert time.localtime(connection_rows(batch)[0][1])[:6] == (2009, 11, 18, 9, 0, 3)


NARROW = (
    "Socket           Flowhash Proto Recv-Q Send-Q  Local Address      Foreign Address    (state)\n7fb03cb94d505aed "
)


@pytest.mark.parametrize(
    "line",
    [
        NARROW + "cedd0cbf tcp4  0  0  192.168.1.221.5486 140.82.113.26.443  ESTABLISHED\n",
        NARROW + "cc0e0c2a tcp6  0  0  2600:db8::1.50000  2620:1ec:21::14.44 ESTABLISHED\n",
        "tcp6       0      0  2001:db8::1.50000      2603:1030:b00::1e.4432 ESTABLISHED\n",
        "tcp6       0      0 2001:db8:0:1::1:2:50000 2603:1030:b00::1:443    ESTABLISHED\n",
    ],
)
def test_an_address_that_netstat_may_have_cut_is_refused(line: str) -> None:
    """`140.82.113.26.443` fits; what fills its column may have lost its last digits, and would name another host or port.

    Break: `_is_cut` in sockets/netstat.py.
    """
    batch = read("tcp4  0  0  192.0.2.2.50000    203.0.113.9.443    ESTABLISHED\n" + line, "netstat")
    assert connections(batch) == [("192.0.2.2", 50000, "203.0.113.9", 443, "tcp")]
    assert ["netstat -anW" in each[2] for each in batch.rejects] == [True]


def test_an_interface_inside_a_link_local_address_is_no_part_of_it() -> None:
    """BSD and macOS keep its number in the second group.

    Break: `_SCOPE` in sockets/lsof.py.
    """
    batch = read("ssh 44 me 5u IPv6 0x2 0t0 TCP [fe80:4::1:2]:55555->[fe80:4::1]:22 (ESTABLISHED)\n", "lsof")
    assert connections(batch) == [("fe80::1:2", 55555, "fe80::1", 22, "tcp")]


def test_all_fields_of_a_vpc_flow_log_without_a_header() -> None:
    """As CloudWatch has them: the default fields, and those of later versions in the order of the documentation.

    Break: `_MORE` in flows/vpc.py.
    """
    more = "vpc-0 subnet-0 i-0 2 IPv4 192.0.2.2 10.200.0.80 us-east-1 use1-az5 - - AMAZON CLOUDFRONT ingress 1"
    batch = read(f"5 641111 eni-0 192.0.2.2 203.0.113.9 3000 5001 6 52 1 1640000066 1640000297 REJECT OK {more}\n")
    assert connections(batch) == [("192.0.2.2", 3000, "203.0.113.9", 5001, "tcp")]
    (kept,) = details(batch)
    assert (kept["pkt-dstaddr"], kept["flow-direction"]) == ("10.200.0.80", "ingress")
    assert "direction" not in kept
