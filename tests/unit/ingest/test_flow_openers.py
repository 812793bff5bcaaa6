"""Flows of one direction: the packet that opens a connection shows who spoke first, whichever port is lower."""

import pytest

from tests.support.reading import connections, details, lines, read

ASKED = ("192.0.2.5", 40000, "203.0.113.9", 50001, "tcp")
"""The server has the higher port: a guess by port turns it round."""

OLD = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt\n"
NEW = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,flags\n"
ARGUS = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State\n"


def nfdump(flags: str) -> dict[str, object]:
    """Return one flow of nfdump's JSON."""
    return {
        "type": "FLOW",
        "first": "2026-11-26T10:00:00.000",
        "proto": 6,
        "tcp_flags": flags,
        "src_port": 40000,
        "dst_port": 50001,
        "src4_addr": "192.0.2.5",
        "dst4_addr": "203.0.113.9",
    }


def netflow(**flags: bool) -> dict[str, object]:
    """Return one event of Suricata about one direction of a flow."""
    return {
        "timestamp": "2026-11-26T10:00:00.000000+0000",
        "flow_id": 7,
        "event_type": "netflow",
        "src_ip": "192.0.2.5",
        "src_port": 40000,
        "dest_ip": "203.0.113.9",
        "dest_port": 50001,
        "proto": "TCP",
        "netflow": {"pkts": 1, "bytes": 60, "start": "2026-11-26T10:00:00.000000+0000"},
        "tcp": {"tcp_flags": "02", **flags},
    }


@pytest.mark.parametrize(
    "text",
    [
        OLD + "2026-11-26 10:00:00,2026-11-26 10:00:00,0.0,192.0.2.5,203.0.113.9,40000,50001,TCP,......S.,0,0,1,60\n",
        OLD + "2026-11-26 10:00:00,2026-11-26 10:00:00,0.0,192.0.2.5,203.0.113.9,40000,50001,TCP,....S.,0,0,1,60\n",
        NEW + "2026-11-26 10:00:00.000,0.000,TCP,192.0.2.5,40000,203.0.113.9,50001,......S.\n",
        lines(nfdump("......S.")),
        lines(netflow(syn=True)),
        ARGUS + "1764151200.0,0.0,tcp,192.0.2.5,40000,   ?>,203.0.113.9,50001,REQ\n",
        ARGUS + "1764151200.0,0.0,tcp,192.0.2.5,40000,  <?>,203.0.113.9,50001,S_RA\n",
    ],
    ids=["csv", "csv of 6 flags", "csv of 1.7", "json", "suricata", "argus", "flags of argus"],
)
def test_a_lone_syn_is_the_clients(text: str) -> None:
    """Nothing answered: as with Zeek's S0 and conntrack's SYN_SENT, the source is who spoke first, and that is no guess."""
    batch = read(text)
    assert connections(batch) == [ASKED]
    assert "direction" not in details(batch)[0]
    assert batch.discoveries == []


@pytest.mark.parametrize("flags", ["...A..S.", "...AP.SF", "...A.R..", "........"])
def test_other_flags_leave_the_guess(flags: str) -> None:
    """The flags of a whole flow are those of all its packets: both ends have SYN and ACK then.

    Break: the A in `table.is_opened`.
    """
    batch = read(lines(nfdump(flags)))
    assert connections(batch) == [("203.0.113.9", 50001, "192.0.2.5", 40000, "tcp")]
    assert details(batch)[0]["direction"] == "by port"


@pytest.mark.parametrize("order", [1, -1])
def test_a_refusal_joins_the_question(order: int) -> None:
    """A SYN and its RST are two flows and one connection, whose client is that of the SYN, in any order."""
    refusal = nfdump("...A.R..") | {
        "src_port": 50001,
        "dst_port": 40000,
        "src4_addr": "203.0.113.9",
        "dst4_addr": "192.0.2.5",
    }
    batch = read(lines(*[nfdump("......S."), refusal][::order]))
    assert connections(batch) == [ASKED]
    assert "direction" not in details(batch)[0]
