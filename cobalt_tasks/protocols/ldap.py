"""LDAP: the root DSE, which every server shows to strangers (RFC 4511, RFC 4512 5.1)."""

from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols import ber
from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_SEARCH = 0x63
_ENTRY = 0x64
_DONE = 0x65
_EXTENDED = 0x77
_EXTENDED_REPLY = 0x78
_PRESENT = 0x87
_START_TLS_OID = b"1.3.6.1.4.1.1466.20037"
_ATTRIBUTES = (
    b"objectClass",
    b"vendorName",
    b"vendorVersion",
    b"namingContexts",
    b"supportedExtension",
    b"dnsHostName",
)
_MORE = (b"defaultNamingContext", b"isGlobalCatalogReady", b"supportedLDAPVersion", b"domainFunctionality")
_LEVELS = {b"7": "Windows Server 2016 or later", b"6": "Windows Server 2012 R2", b"5": "Windows Server 2012"}


def _message(number: int, operation: bytes) -> bytes:
    return ber.encode(ber.SEQUENCE, ber.integer(number), operation)


def _root_dse() -> bytes:
    names = b"".join(ber.encode(ber.OCTETS, name) for name in (*_ATTRIBUTES, *_MORE))
    return _message(
        1,
        ber.encode(
            _SEARCH,
            ber.encode(ber.OCTETS),
            ber.encode(ber.ENUMERATED, b"\x00"),
            ber.encode(ber.ENUMERATED, b"\x00"),
            ber.integer(1),
            ber.integer(3),
            ber.encode(ber.BOOLEAN, b"\x00"),
            ber.encode(_PRESENT, b"objectClass"),
            ber.encode(ber.SEQUENCE, names),
        ),
    )


def attributes(raw: bytes) -> dict[bytes, list[bytes]] | None:
    """Return the attributes of the entry in an answer; empty if it has none, None if it is no answer of LDAP."""
    message = ber.first(raw, ber.SEQUENCE)
    parts = list(ber.elements(message, most=3)) if message else []
    if len(parts) < 2 or parts[0][0] != ber.INTEGER or parts[1][0] not in {_ENTRY, _DONE, _EXTENDED_REPLY}:  # noqa: PLR2004  # number, operation
        return None
    found: dict[bytes, list[bytes]] = {}
    if parts[1][0] == _ENTRY:
        inner = list(ber.elements(parts[1][1], most=2))
        for _, attribute in ber.elements(inner[1][1]) if len(inner) > 1 else ():
            pair = list(ber.elements(attribute, most=2))
            if len(pair) == 2:  # noqa: PLR2004  # a name and its values
                found[pair[0][1].lower()] = [value for _, value in ber.elements(pair[1][1])]
    return found


def recognise(raw: bytes) -> Fingerprint | None:
    """OpenLDAP shows its class, Active Directory its attributes, others their vendor."""
    found = attributes(raw)
    if found is None:
        return None
    vendor, version = (found.get(name, [b""])[0] for name in (b"vendorname", b"vendorversion"))
    product = clean(vendor)
    if b"OpenLDAProotDSE" in found.get(b"objectclass", []):
        product = "OpenLDAP"
    elif b"isglobalcatalogready" in found or b"domainfunctionality" in found:
        product = "Microsoft Active Directory"
    elif version.startswith(b"389-Directory/"):
        product, version = "389 Directory Server", version[len(b"389-Directory/") :].split(b" ")[0]
    host = hostname(found.get(b"dnshostname", [b""])[0].decode("ascii", "replace"))
    return Fingerprint(
        "ldap",
        product,
        clean(version.rsplit(b" ", 1)[-1]),
        (host,) if host else (),
        info=clean(b", ".join(found.get(b"namingcontexts", []))),
        os=_LEVELS.get(found.get(b"domainfunctionality", [b""])[0]),
        offers_tls=_START_TLS_OID in found.get(b"supportedextension", []),
    )


def starttls(_: Target) -> Steps[bool]:
    """RFC 4511 4.14."""
    reply = yield Send(_message(1, ber.encode(_EXTENDED, ber.encode(0x80, _START_TLS_OID))), wait=1.5)
    message = ber.first(reply.data, ber.SEQUENCE)
    parts = list(ber.elements(message, most=2)) if message else []
    return len(parts) > 1 and parts[1][0] == _EXTENDED_REPLY and parts[1][1].startswith(b"\x0a\x01\x00")


def is_complete(raw: bytes) -> bool:
    """Return whether the end of the search is there."""
    return b"\x65\x07\x0a\x01" in raw


def words(_: Target) -> bytes:
    """Ask for the root DSE."""
    return _ROOT_DSE


_ROOT_DSE = _root_dse()

PROTOCOL = Protocol(
    name="ldap",
    recognise=recognise,
    name_in_tls="ldaps",
    ports=(389, 3268),
    tls_ports=(636, 3269),
    words=words,
    is_complete=is_complete,
    starttls=starttls,
    likelihood=13,
    rejects_http=True,
)
