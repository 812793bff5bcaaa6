"""The fields of the search language: name, type, meaning, and where each is found for each sort of row.

This table is the only list: the compiler, completion, facets and docs/search.md are made from it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from cobalt_tasks.hosts.search import values
from cobalt_tasks.hosts.search.known_values import PortState, TransportProtocol, Word
from cobalt_tasks.hosts.search.values import ValueKind
from cobalt_tasks.threat.rules import RULE_NAMES


class Searchable(StrEnum):
    """What is searched for."""

    HOSTS = "hosts"
    PORTS = "ports"
    CONNECTIONS = "connections"
    CERTIFICATES = "certificates"


class Home(StrEnum):
    """Where a fact is kept. All facts but those of the row itself are looked up by address, or by address and port."""

    HOST = "hosts"
    PORT = "ports"
    LOCATION = "locations"
    NAME = "hostnames"
    SCORE = "scores"
    FINDING = "findings"
    CERTIFICATE = "certificates"
    CONNECTION = "observations"
    TEXT = "search_texts"


class Place(Struct, frozen=True):
    """A column. `end`: for connections, the host at the "src" or "dst" end, or "either"; '' where there is no choice."""

    home: Home
    column: str
    end: str = ""


class Field(Struct, frozen=True, kw_only=True):
    """One field of the language.

    Attributes:
        name: what stands before the colon.
        kind: the type of its values.
        meaning: one line for the reference.
        example: a term with it.
        places: where it is found, for each sort of row it applies to.
        index: the index that serves it, for the reference and the test of plans.
        has_addresses: the index holds the addresses of hosts too.
        facet: counts by its values can be asked for.
        listed: its values can be completed.

    """

    name: str
    kind: ValueKind
    meaning: str
    example: str
    places: Mapping[Searchable, Place]
    index: str
    has_addresses: bool = False
    facet: bool = False
    listed: bool = False


_ALL: Final = tuple(Searchable)
_NOT_CONNECTIONS: Final = (Searchable.HOSTS, Searchable.PORTS, Searchable.CERTIFICATES)

_PORT: Final = values.Number("number", 0, 65535, whole=True)
_AGE: Final = values.TimeKind("time")


def _same(home: Home, column: str, targets: tuple[Searchable, ...] = _ALL, end: str = "") -> dict[Searchable, Place]:
    return {target: Place(home, column, end if target is Searchable.CONNECTIONS else "") for target in targets}


def _of_port(column: str, on_connection: str) -> dict[Searchable, Place]:
    """Return the places of a part of a port's key."""
    return {
        Searchable.HOSTS: Place(Home.PORT, column),
        Searchable.PORTS: Place(Home.PORT, column),
        Searchable.CERTIFICATES: Place(Home.CERTIFICATE, column),
        Searchable.CONNECTIONS: Place(Home.CONNECTION, on_connection),
    }


_SEEN: Final = {
    **_same(Home.HOST, "last_seen", _NOT_CONNECTIONS),
    Searchable.CONNECTIONS: Place(Home.CONNECTION, "arrived_at"),
}
_ENDS: Final = (Searchable.CONNECTIONS,)

FIELDS: Final[tuple[Field, ...]] = (
    Field(
        name="net", kind=values.Networks(), example="net:10.0.0.0/8", index="ix_hosts_address_key",
        meaning="the address lies in a network, or is one; of a connection, one of its ends",
        places=_same(Home.HOST, "address_key", end="either"),
    ),
    Field(
        name="src", kind=values.Networks(), example="src:10.1.2.3", index="ix_observations_src_ip_id",
        meaning="the connection comes from an address or network", places=_same(Home.HOST, "address_key", _ENDS, "src"),
    ),
    Field(
        name="dst", kind=values.Networks(), example="dst:192.0.2.0/24", index="ix_observations_dst_ip_id",
        meaning="the connection goes to an address or network", places=_same(Home.HOST, "address_key", _ENDS, "dst"),
    ),
    Field(
        name="port", kind=_PORT, example="port:22,8000..8100", index="ix_ports_port_address", has_addresses=True, facet=True,
        meaning="the number of a port; of a connection, the port it goes to", places=_of_port("port", "dst_port"),
    ),
    Field(
        name="protocol", kind=TransportProtocol(), example="protocol:udp", index="ix_ports_other_protocol", facet=True,
        meaning="the transport protocol of the port", places=_of_port("protocol", "protocol"), listed=True,
    ),
    Field(
        name="service", kind=values.Exact("word"), example="service:https", index="ix_ports_service_address", has_addresses=True, facet=True,
        meaning="the service that runs on the port", places=_same(Home.PORT, "service"), listed=True,
    ),
    Field(
        name="product", kind=values.Folded(), example="product:openssh", index="ix_ports_folded_product", facet=True,
        meaning="the product that runs on the port", places=_same(Home.PORT, "product"), listed=True,
    ),
    Field(
        name="version", kind=values.Version(), example="version:<9", index="ix_ports_folded_version", facet=True,
        meaning="the version of that product; parts are compared as numbers", places=_same(Home.PORT, "version"), listed=True,
    ),
    Field(
        name="state", kind=PortState(), example="state:closed", index="ix_ports_address_protocol_port",
        meaning="whether the port is `open`, `unconfirmed` (the last scan that looked did not find it open), or `closed`",
        places=_same(Home.PORT, "closed_since"),
    ),
    Field(
        name="opened", kind=_AGE, example="opened:>2026-11-01", index="ix_ports_first_seen",
        meaning="when the port was first seen open", places=_same(Home.PORT, "first_seen"),
    ),
    Field(
        name="seen", kind=_AGE, example="seen:<7d", index="ix_hosts_last_seen_address",
        meaning="when the host was last seen; of a connection, when it arrived", places=_SEEN,
    ),
    Field(
        name="name", kind=values.Name(), example="name:*.example.com", index="ix_hostnames_reversed",
        meaning="a name of the host", places=_same(Home.NAME, "name"), listed=True,
    ),
    Field(
        name="country", kind=values.Exact("two letters, such as DE", str.upper, "[A-Za-z0-9]{2}"), example="country:DE", facet=True,
        index="ix_locations_country_code_address", has_addresses=True, meaning="the country of the host",
        places=_same(Home.LOCATION, "country_code"), listed=True,
    ),
    Field(
        name="city", kind=values.Folded(), example='city:"New York"', index="ix_locations_folded_city", facet=True,
        meaning="the city of the host", places=_same(Home.LOCATION, "city"), listed=True,
    ),
    Field(
        name="asn", kind=values.Number("number", 0, 4294967295, whole=True), example="asn:64496", facet=True,
        index="ix_locations_asn", meaning="the number of the autonomous system", places=_same(Home.LOCATION, "asn"),
    ),
    Field(
        name="org", kind=values.Folded(), example="org:hetzner*", index="ix_locations_folded_organisation", facet=True,
        meaning="the organisation that the address belongs to", places=_same(Home.LOCATION, "organisation"), listed=True,
    ),
    Field(
        name="score", kind=values.Number("fraction", 0, 1, whole=False), example="score:>=0.5",
        index="ix_scores_score_address", has_addresses=True, meaning="the score of the host, from 0 to 1",
        places=_same(Home.SCORE, "score"),
    ),
    Field(
        name="finding", kind=Word(RULE_NAMES), example="finding:risky_port", index="ix_findings_rule_address",
        has_addresses=True, facet=True, meaning="a threat rule that matched on the host", places=_same(Home.FINDING, "rule"), listed=True,
    ),
    Field(
        name="site", kind=values.Label("site"), example="site:office", index="ix_hosts_address_key",
        meaning="one of the own networks by its name; of a connection, one of its ends",
        places=_same(Home.HOST, "address_key", end="either"), listed=True,
    ),
    Field(
        name="tag", kind=values.Label("tag"), example="tag:lab", index="ix_hosts_address_key",
        meaning="own networks with a tag; of a connection, one of its ends",
        places=_same(Home.HOST, "address_key", end="either"), listed=True,
    ),
    Field(
        name="cert.expires", kind=values.OfCertificate(values.TimeKind("time ahead", ahead=True)), example="cert.expires:<30d",
        index="ix_certificates_not_after_fingerprint", meaning="when a certificate of the port expires; `<30d` includes what has expired",
        places=_same(Home.CERTIFICATE, "not_after"),
    ),
    Field(
        name="cert.name", kind=values.CertificateName(), example="cert.name:*.example.com",
        index="ix_certificate_names_reversed", meaning="a name in a certificate of the port",
        places=_same(Home.CERTIFICATE, "fingerprint"),
    ),
    Field(
        name="cert.subject", kind=values.OfCertificate(values.Folded()), example="cert.subject:CN=www*", index="ix_certificates_folded_subject",
        meaning="the subject of a certificate", places=_same(Home.CERTIFICATE, "subject"), listed=True,
    ),
    Field(
        name="cert.issuer", kind=values.OfCertificate(values.Folded()), example="cert.issuer:CN=R11*", index="ix_certificates_folded_issuer",
        facet=True, meaning="the issuer of a certificate", places=_same(Home.CERTIFICATE, "issuer"), listed=True,
    ),
    Field(
        name="cert.serial", kind=values.OfCertificate(values.Exact("text", str)), example="cert.serial:1234", index="ix_certificates_serial",
        meaning="the serial number of a certificate", places=_same(Home.CERTIFICATE, "serial"),
    ),
    Field(
        name="cert.fingerprint", kind=values.Exact("text"), example="cert.fingerprint:ab12…", index="ix_sightings_fingerprint",
        meaning="the SHA-256 fingerprint of a certificate", places=_same(Home.CERTIFICATE, "fingerprint"),
    ),
    Field(
        name="cert.selfsigned", kind=values.OfCertificate(values.Flag()), example="cert.selfsigned:yes", index="ix_certificates_self_signed",
        meaning="whether a certificate is self-signed", places=_same(Home.CERTIFICATE, "self_signed"),
    ),
    Field(
        name="process", kind=values.Folded(), example="process:firefox", index="ix_observations_folded_process", facet=True,
        meaning="the process on this machine that has the connection", places=_same(Home.CONNECTION, "process", _ENDS),
        listed=True,
    ),
)  # fmt: skip

BY_NAME: Final = {field.name: field for field in FIELDS}
ALIASES: Final = {"ip": "net", "address": "net", "host": "net", "organisation": "org", "expires": "cert.expires"}

WORDS: Final = Field(
    name="", kind=values.FreeText(), example='"apache tomcat"', index="search_texts",
    meaning="words in names, services, products, versions, banners, certificates, places and organisations",
    places=_same(Home.TEXT, "body"),
)  # fmt: skip
"""Free text: a term without a field."""
