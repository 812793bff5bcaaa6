"""Flow logs of clouds, of Packetbeat and of honeypots: one connection for all reports of it, and its client is the source."""

import json
from typing import Any

import pytest

from cobalt_tasks.ingest.formats.flows.azure import AzureFlowLog
from tests.support.reading import Row, connections, details, lines, names, read
from tests.support.rows import connection_rows

OUT = ("10.0.0.6", 50000, "203.0.113.10", 60000, "tcp")
"""The server has the higher port: a guess by port turns it round."""


def group(version: int, *flows: str) -> Row:
    """Return one record of a network security group's flow log."""
    inner = [{"rule": "UserRule_x", "flows": [{"mac": "000D3A170C69", "flowTuples": list(flows)}]}]
    return {"category": "NetworkSecurityGroupFlowEvent", "properties": {"Version": version, "flows": inner}}


def network(*flows: str) -> Row:
    """Return one record of a virtual network's flow log."""
    groups = [{"rule": "DefaultRule_x", "flowTuples": list(flows)}]
    return {
        "category": "FlowLogFlowEvent",
        "macAddress": "112233445566",
        "flowRecords": {"flows": [{"aclID": "x", "flowGroups": groups}]},
    }


ONE = group(1, "1525186745,10.0.0.6,203.0.113.10,50000,60000,T,O,A")
TWO = group(
    2,
    "1525186745,10.0.0.6,203.0.113.10,50000,60000,T,O,A,B,,,,",
    "1525186749,10.0.0.6,203.0.113.10,50000,60000,T,O,A,E,3,767,2,1580",
)
FOUR = network(
    "1525186745000,10.0.0.6,203.0.113.10,50000,60000,6,O,B,NX,0,0,0,0",
    "1525186749000,10.0.0.6,203.0.113.10,50000,60000,6,O,E,NX,3,767,2,1580",
)


@pytest.mark.parametrize("record", [ONE, TWO, FOUR], ids=["version 1", "version 2", "network"])
@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "indented"])
def test_a_flow_of_azure(record: Row, indent: int | None) -> None:
    """Its start is that of the first report, its counts those of the last.

    Break: the order of the values in flows/azure.py.
    """
    batch = read(json.dumps({"records": [record, record]}, indent=indent), "azure-flow-log")
    assert connections(batch) == [OUT]
    assert connection_rows(batch)[0][1] == 1525186745.0
    assert batch.rejects == []
    about = details(batch)[0]
    assert (about["rule"][-6:], about["flow_direction"]) == ("Rule_x", "outbound")
    if record is not ONE:
        assert (about["packets"], about["bytes"], about["reply_packets"], about["reply_bytes"]) == (3, 767, 2, 1580)
        assert about["state"] == ["begin", "end"]


def test_a_flow_that_is_none_does_not_take_the_others_with_it() -> None:
    """Each of the flows of a record is read alone."""
    batch = read(
        lines(
            {"records": [group(1, "1525186745,10.0.0.6", ONE["properties"]["flows"][0]["flows"][0]["flowTuples"][0])]}
        )
    )
    assert connections(batch) == [OUT]
    assert [row[2] for row in batch.rejects] == ["a flow has 2 values"]


def test_the_file_of_an_hour_is_read_in_pieces() -> None:
    """All of its records are one object on one line: it is not held as a whole.

    Break: `_without_head` in `AzureFlowLog.split`.
    """
    several: list[Any] = [FOUR] * 1000
    data = json.dumps({"records": several}).encode()
    half = data[: len(data) // 2]
    assert len(half) - AzureFlowLog().split(half) < 2 * len(json.dumps(FOUR))


def gcp(**payload: Any) -> Row:
    """Return one entry of Cloud Logging."""
    return {"insertId": "x", "jsonPayload": payload, "timestamp": "2026-01-01T00:01:00Z"}


QUERY = {"src_ip": "10.0.0.6", "src_port": 50000, "dest_ip": "203.0.113.10", "dest_port": 443, "protocol": 6}
REPLY = {"src_ip": "203.0.113.10", "src_port": 443, "dest_ip": "10.0.0.6", "dest_port": 50000, "protocol": 6}


@pytest.mark.parametrize("order", [1, -1])
def test_both_directions_of_google_are_one_connection(order: int) -> None:
    """Each is an entry of its own, and so is each end's report."""
    times = {"start_time": "2026-01-01T00:00:00.5Z", "end_time": "2026-01-01T00:00:03Z"}
    entries = [gcp(connection=each, reporter=side, **times) for each in (QUERY, REPLY) for side in ("SRC", "DEST")]
    batch = read(lines(*entries[::order]), "gcp-flow-log")
    assert connections(batch) == [("10.0.0.6", 50000, "203.0.113.10", 443, "tcp")]
    assert connection_rows(batch)[0][1] == 1767225600.5


def test_googles_firewall_has_who_asked() -> None:
    """Its source is no guess by port."""
    ends = QUERY | {"src_port": 1000, "dest_port": 50001}
    batch = read(lines(gcp(connection=ends, disposition="DENIED")), "gcp-flow-log")
    assert connections(batch) == [("10.0.0.6", 1000, "203.0.113.10", 50001, "tcp")]
    assert details(batch)[0]["disposition"] == "DENIED"


def beat(**more: Any) -> Row:
    """Return one event of Packetbeat."""
    return {
        "@timestamp": "2026-01-01T00:00:20.000Z",
        "source": {"ip": "10.0.0.6", "port": 50000, "bytes": 7},
        "destination": {"ip": "203.0.113.10", "port": 60000, "domain": "www.example.com"},
        "network": {"transport": "tcp", "community_id": "1:x"},
        "event": {"dataset": "flow", "start": "2026-01-01T00:00:09.500Z"},
        "agent": {"type": "packetbeat"},
        **more,
    }


@pytest.mark.parametrize(
    "text",
    [
        lines(beat(flow={"id": "a", "final": False}), beat(flow={"id": "a", "final": True})),
        lines({"_index": "x", "_source": beat()}),
        lines(
            {
                "@timestamp": "2016-01-01T00:00:20.000Z",
                "type": "flow",
                "beat": {"name": "packetbeat"},
                "source": {"ip": "10.0.0.6", "port": 50000},
                "dest": {"ip": "203.0.113.10", "port": 60000, "domain": "www.example.com"},
                "transport": "tcp",
                "start_time": "2026-01-01T00:00:09.500Z",
            }
        ),
    ],
    ids=["reports", "export", "first versions"],
)
def test_a_flow_of_packetbeat(text: str) -> None:
    """However often it is reported, and in the schema of each version."""
    batch = read(text, "packetbeat")
    assert connections(batch) == [OUT]
    assert connection_rows(batch)[0][1] == 1767225609.5
    assert names(batch) == {("203.0.113.10", "www.example.com")}


@pytest.mark.parametrize(
    "more",
    [
        {"netflow": {"type": "netflow_flow"}, "event": {"dataset": "netflow.log"}},
        {
            "event": {"kind": "alert", "dataset": "suricata.eve"},
            "agent": {"type": "filebeat"},
            "ecs": {"version": "8.0.0"},
        },
    ],
    ids=["netflow", "alert"],
)
def test_what_is_about_one_direction(more: Row) -> None:
    """The end with the lower port is the server: that is a guess, and stands in the details."""
    record = beat(
        **more,
        source={"ip": "203.0.113.10", "port": 443},
        destination={"ip": "10.0.0.6", "port": 50000},
    )
    batch = read(lines(record), "packetbeat")
    assert connections(batch) == [("10.0.0.6", 50000, "203.0.113.10", 443, "tcp")]
    assert details(batch)[0]["direction"] == "by port"


def test_what_is_done_in_a_honeypot() -> None:
    """A session is one connection; its client, logins, commands and end are details of it, without passwords and the texts that have them.

    Break: the sessions of cowrie.py, or what `_USED` leaves out.
    """
    shared = {"session": "a1b2", "src_ip": "203.0.113.9", "timestamp": "2026-01-01T00:00:00.5Z", "sensor": "s"}
    login = {"username": "root", "password": "hunter2", "message": "login attempt [root/hunter2] failed"}
    batch = read(
        lines(
            {"eventid": "cowrie.session.connect", "src_port": 5, "dst_ip": "10.0.0.6", "dst_port": 2222, **shared},
            {"eventid": "cowrie.client.version", "version": "SSH-2.0-Go", **shared},
            {"eventid": "cowrie.login.failed", **login, **shared},
            {"eventid": "cowrie.direct-tcpip.request", "dst_ip": "192.0.2.9", "dst_port": 25, "src_port": 5, **shared},
            {"eventid": "cowrie.command.input", "input": "uname -a", **shared},
            {"eventid": "cowrie.session.closed", "duration": 1.5, **shared},
            {"eventid": "cowrie.command.input", "input": "who", **shared, "session": "of another file"},
        ),
        "cowrie",
    )
    assert connections(batch) == [("203.0.113.9", 5, "10.0.0.6", 2222, "tcp")]
    assert (batch.joined, batch.ignored, batch.rejects) == (5, 1, [])
    assert "hunter2" not in str(connection_rows(batch))
    (kept,) = details(batch)
    assert kept["client.version"][0]["version"] == "SSH-2.0-Go"
    assert kept["login.failed"][0]["username"] == "root"
    assert kept["direct-tcpip.request"][0]["dst_ip"] == "192.0.2.9"
    assert kept["command.input"][0]["input"] == "uname -a"
    assert kept["session.closed"][0]["duration"] == 1.5


def test_a_session_of_a_honeypot_goes_on_in_the_next_piece() -> None:
    """The sessions travel with the checkpoint: what is done later is known by the ends that only the start has.

    Break: the state of cowrie.py.
    """
    shared = {"session": "a1b2", "src_ip": "203.0.113.9", "timestamp": "2026-01-01T00:00:00.5Z"}
    start = {"eventid": "cowrie.session.connect", "src_port": 5, "dst_ip": "10.0.0.6", "dst_port": 2222, **shared}
    later = {"eventid": "cowrie.command.input", "input": "uname -a", **shared}
    # The last line has no end, and is read on its own.
    batch = read(lines(start, later).rstrip("\n"), "cowrie")
    assert (len(batch.identified), batch.joined) == (1, 1)
