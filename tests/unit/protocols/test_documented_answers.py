"""Protocols of servers that the tests cannot run: answers put together from their documents."""

import struct

import pytest

from cobalt_tasks.protocols import Fingerprint, dnp3, recognise, registry
from cobalt_tasks.protocols.base import Target
from cobalt_tasks.protocols.identify import identify
from tests.support.peers import Peer


def shown(name: str, answer: bytes) -> Fingerprint:
    """Return what is found out about a server on a protocol's own port that answers its words, and nothing else, so."""
    protocol = registry.BY_NAME[name]
    port = next(iter((*protocol.ports, 31337)))
    target = Target("192.0.2.1", port, industrial=True)
    assert protocol.words
    return Peer({protocol.words(target): answer}).run(identify(target)).fingerprint


def tns(kind: int, text: bytes) -> bytes:
    """Return a TNS packet: length, checksum, type, flags, checksum of the head, two reasons, length of the text, the text."""
    body = struct.pack(">BBH", 34, 0, len(text)) + text
    return struct.pack(">HHBBH", len(body) + 8, 0, kind, 0, 0) + body


@pytest.mark.parametrize(
    ("number", "version"), [(186647040, "11.2.0.2.0"), (202375680, "12.1.0.2.0"), (318767104, "19.0.0.0.0")]
)
def test_oracle(number: int, version: str) -> None:
    """A listener's refusal holds the version as one number, with other widths from 18c on."""
    text = b"(DESCRIPTION=(TMP=)(VSNNUM=%d)(ERR=1189)(ERROR_STACK=(ERROR=(CODE=1189)(EMFI=4))))" % number
    found = shown("oracle-tns", tns(4, text))
    assert (found.product, found.version) == ("Oracle TNS listener", version)


def cql(body: bytes, *, kind: int = 6) -> bytes:
    """Return a response frame of version 4 of the native protocol."""
    return bytes((0x84, 0, 0, 0, kind)) + len(body).to_bytes(4, "big") + body


def cql_map(options: dict[bytes, list[bytes]]) -> bytes:
    """Return a string multimap."""
    rows = [struct.pack(">H", len(key)) + key + struct.pack(">H", len(values)) for key, values in options.items()]
    texts = [b"".join(struct.pack(">H", len(value)) + value for value in values) for values in options.values()]
    return struct.pack(">H", len(options)) + b"".join(row + text for row, text in zip(rows, texts, strict=True))


def test_cassandra() -> None:
    """The options name the language's version, which is not the product's; Scylla's own options tell it apart."""
    options = {b"COMPRESSION": [b"snappy", b"lz4"], b"CQL_VERSION": [b"3.4.6"]}
    found = shown("cassandra", cql(cql_map(options)))
    assert (found.product, found.version, found.info) == ("Apache Cassandra", None, "CQL 3.4.6")
    assert shown("cassandra", cql(cql_map({**options, b"SCYLLA_SHARD": [b"0"]}))).product == "ScyllaDB"
    refusal = struct.pack(">IH", 10, 36) + b"Invalid or unsupported protocol version (4)"
    assert shown("cassandra", cql(refusal, kind=0)).service == "cassandra"


def test_kafka() -> None:
    """The kinds of request a broker knows, for our request."""
    protocol = registry.BY_NAME["kafka"]
    assert protocol.words
    correlation = protocol.words(Target("192.0.2.1", 9092))[8:12]
    rows = b"".join(struct.pack(">hhh", key, 0, 3) for key in range(18))
    body = correlation + struct.pack(">hI", 0, 18) + rows
    answer = len(body).to_bytes(4, "big") + body
    assert shown("kafka", answer).service == "kafka"
    assert recognise(b"\x00\x00\x00\x70" + answer[4:]).service is None


def test_bacnet() -> None:
    """What a device of BACpypes answered about itself, asked by its number."""
    bacnet = registry.BY_NAME["bacnet"]
    answers = {
        0x46: "810a0017010030460c0c020003e719463e74004e2f413f",
        0x79: "810a001d010030790c0c020003e719793e7509004241437079706573 3f",
        0x2C: "810a00170100302c0c0c020003e7192c3e74004e2f413f",
        0x4D: "810a00170100304d0c0c020003e7194d3e74004c61623f",
    }
    peer = Peer(lambda sent: bytes.fromhex(answers[sent[-1]]))
    found = peer.run(identify(Target("192.0.2.1", 47808, "udp", industrial=True))).fingerprint
    assert (found.service, found.product, found.version, found.device) == ("bacnet", "N/A", "N/A", "controller")
    assert found.extras == {"vendor": "BACpypes", "firmware": "N/A", "name": "Lab"}
    assert bacnet.recognise(bytes.fromhex(answers[0x4D])[:-1]) is None


def test_dnp3() -> None:
    """The status of a link, by address; a frame whose checksum is wrong is none."""
    question = registry.BY_NAME["dnp3"].words
    assert question
    assert question(Target("192.0.2.1", 20000))[:10].hex() == "056405c900000000364c"
    head = bytes.fromhex("0564050b00000a00")
    answer = head + dnp3._checksum(head)
    assert shown("dnp3", answer).info == "address 10"
    assert recognise(answer[:-1] + b"\x00").service is None


def test_a_printer() -> None:
    """A printer names its model; whatever it says, it is sent nothing that it would print."""
    answer = b'@PJL INFO ID\r\n"HP LaserJet 4250"\r\n\x0c'
    found = shown("jetdirect", answer)
    assert (found.product, found.device) == ("HP LaserJet 4250", "printer")
    peer = Peer()
    peer.run(identify(Target("192.0.2.1", 9100)))
    assert all(sent.startswith(b"\x1b%-12345X@PJL") for sent in peer.sent)


def test_amqp_1() -> None:
    """A broker of version 1.0 alone answers the older version with its own header, and is asked again in it."""
    sasl = bytes.fromhex("0000003b02010000005340c02e01e02b03a309") + b"ANONYMOUS\x05PLAIN\x08EXTERNAL"
    header = b"AMQP\x03\x01\x00\x00"
    found = Peer({b"AMQP\x00\x00\x09\x01": header, header: header + sasl}).run(identify(Target("192.0.2.1", 5672)))
    assert (found.service, found.fingerprint.version, found.fingerprint.info) == ("amqp", None, "AMQP 1.0")
    assert "PLAIN" in found.fingerprint.extras["logins"]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_echo_is_no_answer(transport: str) -> None:
    """A server that sends back what it receives speaks none of the protocols, whatever port it is on."""
    used = {port for each in registry.PROTOCOLS for port in (each.udp_ports if transport == "udp" else each.ports)}
    for port in sorted(used | {31337}):
        target = Target("192.0.2.1", port, transport, industrial=True, community="public")
        result = Peer(lambda data: data).run(identify(target))
        assert result.service in {"echo", None}, (port, result.service)


def test_a_web_server_on_the_port_of_printers() -> None:
    """What answers a printer's question as HTTP is no printer, and is asked for its page."""
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n<html><head><title>Node Exporter</title></head>"
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
    result = Peer({b"\x1b%-12345X": refusal, b"GET / ": page}).run(identify(Target("192.0.2.1", 9100)))
    assert (result.service, result.fingerprint.product) == ("http", "Prometheus node exporter")


@pytest.mark.parametrize(
    ("answer", "product"),
    [
        ("00000003 0000000a 00000001 00000003", None),
        ("00000003 ffff800b 00000001 00000005", "Firebird"),
        ("0000005e ffff8010 00000001 00000005 00000000 00000000 00000000 00000000", "Firebird"),
        ("00000004", None),
    ],
)
def test_firebird(answer: str, product: str | None) -> None:
    """InterBase accepts the oldest version, or refuses; versions from 11 on, with their sign, are Firebird's."""
    found = shown("firebird", bytes.fromhex(answer))
    assert (found.service, found.product) == ("firebird", product)


@pytest.mark.parametrize(("status", "info"), [(0, None), (2, "login refused")])
def test_iscsi(status: int, info: str | None) -> None:
    """A login response to our task; the class of its status shows whether it succeeded."""
    answer = bytes((0x23, 0x87, 0, 0, *bytes(12))) + b"Cbt1" + bytes(16) + bytes((status, *bytes(11)))
    assert (shown("iscsi", answer).service, shown("iscsi", answer).info) == ("iscsi", info)
    assert shown("iscsi", answer.replace(b"Cbt1", b"none")).service is None
