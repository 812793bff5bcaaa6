"""More protocols of servers that the tests cannot run: replies put together from their documents."""

import struct

import pytest

from cobalt_tasks.protocols import Fingerprint, recognise, registry
from cobalt_tasks.protocols.base import Target
from cobalt_tasks.protocols.identify import identify
from tests.support.peers import Peer


def shown(name: str, answer: bytes) -> Fingerprint:
    """Return what is found out about a server on a protocol's own port that answers its words, and nothing else, so."""
    protocol = registry.BY_NAME[name]
    assert protocol.words
    target = Target("192.0.2.1", protocol.ports[0], industrial=True)
    return Peer({protocol.words(target): answer}).run(identify(target)).fingerprint


def test_tacacs() -> None:
    """A reply to our session, whatever it holds; another session's is none of ours."""
    reply = b"\xc0\x01\x02\x01Cblt" + struct.pack(">I", 6) + bytes(6)
    assert shown("tacacs", reply).service == "tacacs"
    assert shown("tacacs", reply.replace(b"Cblt", b"Rblt")).service is None


def drda(kind: str, release: str) -> bytes:
    """Return EXCSATRD with a server's class and release."""
    fields = ((0x1147, kind), (0x115A, release))
    body = b"".join(struct.pack(">HH", 4 + len(value), code) + value.encode("cp500") for code, value in fields)
    reply = struct.pack(">HH", 4 + len(body), 0x1443) + body
    return struct.pack(">HBBH", 6 + len(reply), 0xD0, 2, 1) + reply


@pytest.mark.parametrize(
    ("kind", "release", "found"),
    [
        ("QDB2/LINUXX8664", "SQL11055", ("IBM Db2", "11.5.5")),
        ("QDB2/NT64", "SQL09078", ("IBM Db2", "9.7.8")),
        ("Apache Derby", "CSS10140/10.14.2.0 - (1828579)", ("Apache Derby", "10.14.2.0")),
        ("QAS", "V7R4M0", (None, None)),
    ],
)
def test_drda(kind: str, release: str, found: tuple[str | None, str | None]) -> None:
    """Class and release of the server name product and version."""
    known = shown("drda", drda(kind, release))
    assert (known.service, known.product, known.version) == ("drda", *found)


def test_opc_ua() -> None:
    """An acknowledgement, or an error with its reason; only where industrial controllers may be asked."""
    acknowledged = b"ACKF" + struct.pack("<IIIIII", 28, 0, 65536, 65536, 0, 0)
    assert shown("opc-ua", acknowledged).service == "opc-ua"
    reason = b"BadTcpEndpointUrlInvalid"
    refused = b"ERRF" + struct.pack("<III", 16 + len(reason), 0x80830000, len(reason)) + reason
    assert shown("opc-ua", refused).info == reason.decode()
    assert registry.words_at(4840) == []


def l2tp_avp(kind: int, value: bytes) -> bytes:
    """Return an attribute of a control message."""
    return struct.pack(">HHH", 0x8000 | 6 + len(value), 0, kind) + value


def test_the_connection_that_l2tp_starts_is_ended() -> None:
    """By its number, so that the server does not wait for the rest. Break: l2tp.ask_more."""
    avps = l2tp_avp(0, b"\x00\x02") + l2tp_avp(8, b"MikroTik") + l2tp_avp(9, b"\x12\x34")
    reply = b"\xc8\x02" + struct.pack(">H", 12 + len(avps)) + b"\xc0\xba\x00\x00\x00\x00\x00\x01" + avps
    protocol = registry.BY_NAME["l2tp"]
    target = Target("192.0.2.1", 1701, "udp")
    assert protocol.udp_words
    peer = Peer({protocol.udp_words(target): reply})
    known = peer.run(identify(target)).fingerprint
    assert (known.service, known.product) == ("l2tp", "RouterOS")
    stop = peer.sent[-1]
    assert stop[4:6] == b"\x12\x34"
    assert l2tp_avp(0, b"\x00\x04") in stop


def test_a_machine_that_waits_for_its_debugger() -> None:
    """It reports its start before it replies; a machine that replies nothing is still one."""
    event = bytes.fromhex("0000001d 00000000 00 4064 02 00000001 5a 00000000 0000000000000001")
    texts = b"".join(struct.pack(">I", len(text)) + text for text in (b"17.0.21", b"OpenJDK 64-Bit Server VM"))
    body = struct.pack(">I", 4) + b"JDWP" + struct.pack(">II", 17, 0) + texts
    reply = struct.pack(">IIBH", 11 + len(body), 1, 0x80, 0) + body
    known = shown("jdwp", b"JDWP-Handshake" + event + reply)
    assert (known.service, known.product, known.version) == ("jdwp", "OpenJDK", "17.0.21")
    assert recognise(b"JDWP-Handshake") == Fingerprint("jdwp")


def test_what_is_nearly_a_date_or_a_ring_is_nothing() -> None:
    """A date within other words, and characters that do not follow each other, are no service."""
    assert recognise(b"Fri Nov 27 22:40:01 2026\r\n").service == "daytime"
    assert recognise(b"22:40:01 27.11.2026\n").service is None
    assert recognise(b"Fri Nov 27 22:40:01 2026 login: ").service is None
    ring = bytes(range(0x21, 0x7F))
    assert recognise(ring[:72] + b"\r\n").service == "chargen"
    assert recognise(ring[:40] + ring[41:73] + b"\r\n").service is None


def test_a_version_that_is_no_version() -> None:
    """The numbers of a version are short, and all there."""
    greeting = (
        b'{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": %s}, "package": ""}, "capabilities": []}}'
    )
    assert recognise(greeting % b"9").version == "9.2.1"
    assert recognise(greeting % b"99999999999").version is None
    assert recognise(greeting.replace(b'"micro": 1, ', b"") % b"9").version is None
