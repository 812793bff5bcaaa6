"""Events of firewalls and sensors: CEF, LEEF, and FortiGate's own log."""

import pytest

from cobalt_tasks.ingest.formats import recognise
from tests.support.reading import connections, details, names, read
from tests.support.rows import connection_rows

FIREWALL = "CEF:0|Example|Firewall|1.0|100|Connection closed|3|"
SEEN = ("192.0.2.2", 50000, "203.0.113.80", 443, "tcp")
PAIRS = "src=192.0.2.2 spt=50000 dst=203.0.113.80 dpt=443 proto=TCP"


def times(text: str) -> list[float]:
    """Return when each connection was seen."""
    return [row[1] for row in connection_rows(read(text))]


@pytest.mark.parametrize(
    "start",
    [
        "",
        "<134>May 12 10:00:00 fw ",
        '<134>1 2026-05-12T10:00:00Z fw app 12 - [x y="z"] ',
        "May 12 10:00:00 fw ",
    ],
)
def test_an_event_with_two_ends_is_a_connection(start: str) -> None:
    """The source spoke first, whatever stands before the event; what else it reports is in the details."""
    text = f"{start}{FIREWALL}rt=1778580000000 act=Accept {PAIRS} cs2Label=Rule Name cs2=to the web out=398\n"
    batch = read(text, "cef")
    assert connections(batch) == [SEEN]
    assert times(text) == [1_778_580_000.0]
    assert details(batch)[0] == {
        "device_vendor": "Example",
        "device_product": "Firewall",
        "device_version": "1.0",
        "event_id": "100",
        "event": "Connection closed",
        "severity": "3",
        "act": "Accept",
        "Rule Name": "to the web",
        "out": "398",
    }


def test_what_is_escaped_in_an_event() -> None:
    """Pipes in the header, equals signs and backslashes in values; a value may have blanks."""
    text = rf"CEF:0|A\|B|C|1|2|drop \\ it|3|{PAIRS} msg=Referred: frag\=0x4000 C:\\Temp issuer=CN\=R80,O\=x" + "\n"
    found = details(read(text, "cef"))[0]
    assert found["device_vendor"] == "A|B"
    assert found["event"] == r"drop \ it"
    assert found["msg"] == r"Referred: frag=0x4000 C:\Temp"
    assert found["issuer"] == "CN=R80,O=x"


def test_an_event_without_two_ends_is_ignored() -> None:
    """A login, a virus in a file; other lines of the same log too."""
    batch = read(f"{FIREWALL}{PAIRS}\n{FIREWALL}src=192.0.2.2 suser=x\nMay 12 10:00:00 fw started\n", "cef")
    assert (len(connections(batch)), batch.ignored, batch.rejects) == (1, 2, [])


def test_the_ends_of_ipv6_stand_in_custom_keys() -> None:
    """ArcSight had no others for them."""
    text = (
        f"{FIREWALL}c6a2=2001:db8::2 c6a2Label=Source IPv6 Address c6a3=2001:db8::80 "
        "c6a3Label=Destination IPv6 Address spt=50000 dpt=443 proto=6\n"
    )
    assert connections(read(text, "cef")) == [("2001:db8::2", 50000, "2001:db8::80", 443, "tcp")]


def test_a_protocol_of_the_application_is_not_that_of_the_connection() -> None:
    """Some devices write what is carried; it is kept in the details."""
    batch = read(f"{FIREWALL}{PAIRS.replace('TCP', 'HTTPS')}\n", "cef")
    assert connections(batch) == [(*SEEN[:4], "ip")]
    assert details(batch)[0]["proto"] == "HTTPS"


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ("start=1778580000123 rt=1778580060000", 1_778_580_000.123),
        ("rt=May 12 2026 10:00:00 UTC", 1_778_580_000.0),
        ("rt=May 12 2026 10:00:00.250 GMT", 1_778_580_000.25),
        ("start=2026-05-12T10:00:00Z", 1_778_580_000.0),
        ("end=1", 1_800_000_000.0),
    ],
)
def test_the_time_of_an_event(pairs: str, expected: float) -> None:
    """Its start before its receipt, as numbers and as text; else its arrival."""
    assert times(f"{FIREWALL}{PAIRS} {pairs}\n") == [expected]


def test_events_of_one_session_are_one_connection() -> None:
    """Its start, its end and a virus in it have the same number; another session between the same ends has its own."""
    one = f"{FIREWALL}{PAIRS} externalId=7 rt=1778580000000 act=start\n"
    other = f"{FIREWALL}{PAIRS} externalId=7 rt=1778580060000 act=close\n"
    labelled = f"{FIREWALL}{PAIRS} cn1=8 cn1Label=SessionID rt=1778580060000\n"
    batch = read(one + other + labelled, "cef")
    assert len(connections(batch)) == 2
    assert batch.joined == 1
    assert sorted(times(one + other + labelled)) == [1_778_580_000.0, 1_778_580_060.0]


def test_the_names_of_both_ends() -> None:
    """Of the hosts that they are about; an address in their place is none."""
    text = f"{FIREWALL}{PAIRS} shost=laptop.example.com dhost=www.example.com\n{FIREWALL}{PAIRS} dhost=203.0.113.80\n"
    assert names(read(text, "cef")) == {("192.0.2.2", "laptop.example.com"), ("203.0.113.80", "www.example.com")}


@pytest.mark.parametrize(
    "text",
    [
        "LEEF:1.0|V|P|1|x|src=192.0.2.2\tdst=203.0.113.80\tsrcPort=50000\tdstPort=443\tproto=TCP",
        "<13>May 12 10:00:00 h LEEF:2.0|V|P|1|x|^|src=192.0.2.2^dst=203.0.113.80^srcPort=50000^dstPort=443^proto=6",
        "LEEF:2.0|V|P|1|x|x7C|src=192.0.2.2|dst=203.0.113.80|srcPort=50000|dstPort=443|proto=TCP",
        "LEEF:2.0|V|P|1|x|0x09|src=192.0.2.2\tdst=203.0.113.80\tsrcPort=50000\tdstPort=443\tproto=TCP",
        "LEEF:2.0|V|P|1|x|src=192.0.2.2|dst=203.0.113.80|srcPort=50000|dstPort=443|proto=TCP|usrName=",
        "LEEF:2.0|V|P|1|x| |src=192.0.2.2 dst=203.0.113.80 srcPort=50000 dstPort=443 proto=TCP",
        "LEEF:2.0|V|P|1|x||src=192.0.2.2\tdst=203.0.113.80\tsrcPort=50000\tdstPort=443\tproto=TCP",
        "LEEF:1.0|V|P|1|x\tsrc=192.0.2.2\tdst=203.0.113.80\tsrcPort=50000\tdstPort=443\tproto=TCP",
        "LEEF:1.0|V|P|1|x|spt=50000 dpt=443 src=192.0.2.2 dst=203.0.113.80 proto=TCP",
    ],
)
def test_what_stands_between_the_pairs_of_leef(text: str) -> None:
    """A tab, what the header names, and what published files have instead of both."""
    assert connections(read(text + "\n", "leef")) == [SEEN]


def test_the_time_of_leef() -> None:
    """Its default form, with a zone or without; the day may be in another order."""
    line = "LEEF:2.0|V|P|1|x|^|devTime=May 12 2026 10:00:00 GMT^src=192.0.2.2^dst=192.0.2.5\n"
    assert times(line) == [1_778_580_000.0]


FORTIGATE = (
    'date=2026-05-12 time=12:00:07 devname="FGT" devid="FG" logid="0000000013" type="traffic" subtype="forward" '
    "eventtime=1778580007000000000 srcip=192.0.2.2 srcport=50000 dstip=203.0.113.80 dstport=443 proto=6 sessionid=402 "
    'action="close" service="HTTPS" duration=7 sentbyte=3652\n'
)


def test_the_log_of_fortigate() -> None:
    """A line of traffic ends its session: it started its duration before; a line about what is in it joins it."""
    blocked = FORTIGATE.replace('"traffic"', '"utm"').replace("duration=7 ", 'msg="URL is denied" ')
    batch = read(f"<189>{FORTIGATE}{blocked}", "fortigate")
    assert connections(batch) == [SEEN]
    assert times(FORTIGATE) == [1_778_580_000.0]
    found = details(batch)[0]
    assert (found["msg"], found["sentbyte"], found["service"]) == ("URL is denied", "3652", "HTTPS")


def test_the_old_log_of_fortigate_has_local_times() -> None:
    """Versions before 6 have no time of the event but date, time and perhaps the zone."""
    line = FORTIGATE.replace("eventtime=1778580007000000000", 'tz="+0200"')
    assert times(line) == [1_778_580_000.0]


def test_logs_of_other_firewalls_are_not_taken_for_these() -> None:
    """What is not read is advised about as before."""
    assert recognise(b"May 12 10:00:00 fw %ASA-6-302013: Built inbound TCP connection 1\n") is None
