"""SNMP: discovery of the engine of SNMPv3; the description of the system with the community the user set (RFC 3412 to 3418)."""

from typing import Final

from cobalt_tasks.protocols import ber
from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_USM, _REPORTABLE, _LARGEST = 3, b"\x04", 1500
_GET, _RESPONSE, _REPORT = 0xA0, 0xA2, 0xA8
_NULL: Final = b"\x05\x00"
_OID = 0x06
_MESSAGE: Final = 0x2A53
_V2C, _V3 = b"\x01", b"\x03"
_SYSTEM: Final = {
    bytes.fromhex("2b06010201010100"): "description",
    bytes.fromhex("2b06010201010200"): "object",
    bytes.fromhex("2b06010201010500"): "name",
}
"""sysDescr, sysObjectID and sysName (RFC 3418)."""

_MAKERS: Final = {
    9: ("Cisco", None),
    11: ("HP", None),
    311: ("Microsoft", None),
    2021: ("Net-SNMP", "net-snmp:net-snmp"),
    2636: ("Juniper", None),
    6876: ("VMware", None),
    8072: ("Net-SNMP", "net-snmp:net-snmp"),
    14988: ("MikroTik", None),
    30065: ("Arista", None),
}
"""Owners of an engine by their numbers (www.iana.org/assignments/enterprise-numbers)."""

_SHORTEST_ENGINE, _LONGEST_ENGINE = 5, 32
_VALUES = range(2, 12)


def _question(_: Target) -> bytes:
    """Return a request without user and engine; an agent answers with a report of its engine (RFC 3414 4)."""
    header = (ber.integer(_MESSAGE), ber.integer(_LARGEST), ber.encode(ber.OCTETS, _REPORTABLE), ber.integer(_USM))
    user = ber.encode(
        ber.SEQUENCE, *(ber.encode(ber.OCTETS),), ber.integer(0), ber.integer(0), *(ber.encode(ber.OCTETS),) * 3
    )
    request = ber.encode(_GET, ber.integer(_MESSAGE), ber.integer(0), ber.integer(0), ber.encode(ber.SEQUENCE))
    scoped = ber.encode(ber.SEQUENCE, ber.encode(ber.OCTETS), ber.encode(ber.OCTETS), request)
    return ber.encode(
        ber.SEQUENCE, ber.integer(3), ber.encode(ber.SEQUENCE, *header), ber.encode(ber.OCTETS, user), scoped
    )


def _ask_system(community: str) -> bytes:
    """Return an SNMPv2c request for the three values of _SYSTEM."""
    wanted = (ber.encode(ber.SEQUENCE, ber.encode(_OID, name), _NULL) for name in _SYSTEM)
    request = (ber.integer(_MESSAGE), ber.integer(0), ber.integer(0), ber.encode(ber.SEQUENCE, *wanted))
    return ber.encode(
        ber.SEQUENCE, ber.integer(1), ber.encode(ber.OCTETS, community.encode()), ber.encode(_GET, *request)
    )


def recognise(raw: bytes) -> Fingerprint | None:
    """A report or response of version 3 shows the engine, one of version 1 or 2c what was asked."""
    message = ber.first(raw, ber.SEQUENCE)
    parts = list(ber.elements(message or b"", most=4))
    kinds = [tag for tag, _ in parts]
    if kinds == [ber.INTEGER, ber.SEQUENCE, ber.OCTETS, ber.SEQUENCE] and parts[0][1] == _V3:
        return _engine(parts[2][1])
    if kinds == [ber.INTEGER, ber.OCTETS, _RESPONSE] and parts[0][1] in {b"\x00", _V2C}:
        return _system(parts[2][1])
    return None


def _engine(security: bytes) -> Fingerprint | None:
    parts = list(ber.elements(ber.first(security, ber.SEQUENCE) or b"", most=3))
    if [tag for tag, _ in parts] != [ber.OCTETS, ber.INTEGER, ber.INTEGER]:
        return None
    engine = parts[0][1]
    if not _SHORTEST_ENGINE <= len(engine) <= _LONGEST_ENGINE:
        return Fingerprint("snmp")
    maker = int.from_bytes(engine[:4], "big") & 0x7FFFFFFF
    product, cpe = _MAKERS.get(maker, (None, None))
    extras = {"engine": engine.hex(), "enterprise": str(maker), "boots": str(int.from_bytes(parts[1][1][:4], "big"))}
    is_program = cpe is not None
    if product and not is_program:
        extras["vendor"] = product
    return Fingerprint("snmp", product if is_program else None, info="SNMPv3", cpe=cpe, extras=extras)


def _system(response: bytes) -> Fingerprint | None:
    parts = [contents for tag, contents in ber.elements(response, most=4)]
    if len(parts) < 4:  # noqa: PLR2004  # number, error, index, values
        return None
    extras = {}
    for tag, pair in ber.elements(parts[3], most=len(_SYSTEM)):
        binding = list(ber.elements(pair, most=2)) if tag == ber.SEQUENCE else []
        if len(binding) < 2 or binding[1][0] != ber.OCTETS:  # noqa: PLR2004  # name and value
            continue
        field, text = _SYSTEM.get(binding[0][1]), clean(binding[1][1])
        if field and text:
            extras[field] = text
    return Fingerprint("snmp", info=extras.get("description"), extras=extras)


def ask_more(target: Target, _: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the description of the system, if the user has set a community.

    target: the port; known: what that showed.
    """
    if target.community is None:
        return None
    reply = yield Send(_ask_system(target.community))
    system = recognise(reply.data)
    if system is None or not system.info:
        return None
    return Fingerprint("snmp", known.product, info=system.info, cpe=known.cpe, extras={**known.extras, **system.extras})


PROTOCOL = Protocol(
    name="snmp",
    recognise=recognise,
    ports=(161,),
    udp_ports=(161,),
    words=_question,
    udp_words=_question,
    ask_more=ask_more,
    udp_likelihood=2,
)
