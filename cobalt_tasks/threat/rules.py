"""Threat rules: they turn facts about a host into findings, each with its points and the source of the fact.

The rules only read facts and open no connection, so findings can be computed again at any time. The rules are data
(rules.toml, and threat.toml in COBALT_HOME); their version is a digest of them and of every list they name.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.own_networks import OwnNetworks
from cobalt_tasks.threat import certificate_rules
from cobalt_tasks.threat.blocklists import Blocklist, read
from cobalt_tasks.threat.certificate_rules import CertificateRules, Rule
from cobalt_tasks.threat.findings import Finding, Port, finding

USER_FILE = "threat.toml"

TRAFFIC_RULES = ("risky_port", "new_listener_talks")
"""Rules over connections. Connections are read once, so the findings of these rules stay until everything is recomputed."""


class _Ports(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ports: frozenset[int]


class _Countries(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    codes: frozenset[Annotated[str, Meta(pattern="^[A-Z]{2}$")]]


class _Networks(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    numbers: frozenset[int]


class _Services(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    services: frozenset[str]


class _Listeners(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    days: Annotated[float, Meta(ge=0)]


class _List(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    file: str


class _Document(CertificateRules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    risky_port: _Ports
    unknown_country: Rule
    country: _Countries
    network: _Networks
    cleartext_service: _Services
    new_listener_talks: _Listeners
    blocklist: tuple[_List, ...] = ()


RULE_NAMES: tuple[str, ...] = _Document.__struct_fields__
"""The names of all rules, as findings have them."""

_Stamp = tuple[int, int, int]


class Known(Struct, frozen=True, kw_only=True):
    """The facts about a host that rules use. `looked_up_at`: when its geolocation ended, None if it did not."""

    address: str
    looked_up_at: float | None = None
    country_code: str | None = None
    asn: int | None = None
    ports: Sequence[Port] = ()


class Contact(Struct, frozen=True, kw_only=True):
    """Connections that were seen to a port of a host, the last one at `observed_at`."""

    address: str
    protocol: str
    port: int
    observed_at: float


class Talker(Struct, frozen=True, kw_only=True):
    """A host that was seen to connect to others, the last time at `observed_at`, and whose newest port is open since a
    time.
    """

    address: str
    listens_since: float
    observed_at: float


class Rules:
    """The rules in force."""

    def __init__(
        self,
        document: _Document,
        lists: Sequence[Blocklist],
        networks: OwnNetworks,
        version: str,
        read_from: dict[Path, _Stamp | None],
    ) -> None:
        """Hold what `load` has read.

        document: rules.toml with the tables of the user; lists: the blocklists; networks: the own networks.
        version: a digest of all of them, stored with each finding.
        read_from: the files they were read from, each with its state at that time, None for a file that is missing.
        """
        self._rules = document
        self._networks = networks
        self._lists = lists
        self._read_from = read_from
        self.version = version

    def are_current(self) -> bool:
        """Return whether the files the rules were read from are unchanged; costs one stat() for each."""
        return all(_stamp(file) == then for file, then in self._read_from.items())

    @property
    def risky_ports(self) -> frozenset[int]:
        """The ports whose connections matter."""
        return self._rules.risky_port.ports if self._rules.risky_port.points else frozenset()

    @property
    def listener_days(self) -> float:
        """For how many days a newly opened port matters on a host that connects to others; 0: it does not matter."""
        return self._rules.new_listener_talks.days if self._rules.new_listener_talks.points else 0.0

    def idle(self, rule: str) -> str | None:
        """Return why a rule can find nothing on any host, or None if it can.

        Args:
            rule: its name in rules.toml, or "blocklist" for all lists together.

        """
        if rule == "blocklist":
            return None if any(each.points for each in self._lists) else "no blocklist is configured"
        if not getattr(self._rules, rule).points:
            return "switched off"
        lists = {"country": self._rules.country.codes, "network": self._rules.network.numbers}
        return "no such list is configured" if rule in lists and not lists[rule] else None

    def is_own(self, address: str) -> bool:
        """Return whether a host lies in the own networks."""
        return self._networks.of(address) is not None

    def of_host(self, known: Known, now: float) -> list[Finding]:
        """Return the findings from the facts about a host.

        known: the facts; now: epoch seconds.
        """
        found = [*self._of_place(known), *self._of_lists(known.address, now)]
        for port in known.ports:
            found += self._of_port(known.address, port, now)
        return self._weighed(found)

    def of_contact(self, contact: Contact) -> list[Finding]:
        """Return the findings from connections to a host."""
        rule = self._rules.risky_port
        if contact.port not in rule.ports or not rule.points:
            return []
        subject = f"to {contact.protocol}/{contact.port}"
        detail = f"a connection to {contact.protocol}/{contact.port} was seen"
        at = contact.observed_at
        return self._weighed([finding(contact.address, "risky_port", subject, rule.points, "traffic", at, detail)])

    def of_talker(self, talker: Talker) -> list[Finding]:
        """Return the findings from connections of a host that also has an open port."""
        rule = self._rules.new_listener_talks
        if not rule.points or talker.observed_at - talker.listens_since > rule.days * DAY:
            return []
        detail = "a port was opened recently, and the host connects to others"
        at = talker.observed_at
        return self._weighed([finding(talker.address, "new_listener_talks", "", rule.points, "traffic", at, detail)])

    def _weighed(self, found: Iterable[Finding]) -> list[Finding]:
        """Return findings with their points times the importance of the own network of their host, at most 1."""
        weighed = []
        for each in found:
            importance = self._networks.importance(each.address)
            points = each.points if importance == 1 else round(min(1.0, each.points * importance), 4)
            weighed.append(msgspec.structs.replace(each, points=points))
        return [each for each in weighed if each.points > 0]

    def _of_place(self, known: Known) -> Iterable[Finding]:
        rules, at = self._rules, known.looked_up_at
        if at is None:
            return
        code = known.country_code
        if code is None and is_public(known.address):
            points = rules.unknown_country.points
            yield finding(known.address, "unknown_country", "", points, "location", at, "its country is unknown")
        if code in rules.country.codes:
            yield finding(known.address, "country", str(code), rules.country.points, "location", at, f"lies in {code}")
        if known.asn in rules.network.numbers:
            detail = f"belongs to AS{known.asn}"
            yield finding(known.address, "network", f"AS{known.asn}", rules.network.points, "location", at, detail)

    def _of_lists(self, address: str, now: float) -> Iterable[Finding]:
        for each in self._lists:
            if address in each:
                yield finding(address, "blocklist", each.name, each.points, each.name, now, f"is listed by {each.name}")

    def _of_port(self, address: str, port: Port, now: float) -> Iterable[Finding]:
        rules, subject, at = self._rules, f"{port.protocol}/{port.port}", port.last_seen
        if port.port in rules.risky_port.ports:
            yield finding(address, "risky_port", subject, rules.risky_port.points, "scan", at, f"{subject} is open")
        if port.service in rules.cleartext_service.services:
            points, detail = rules.cleartext_service.points, f"{port.service} is open at {subject}, without encryption"
            yield finding(address, "cleartext_service", subject, points, "banner", at, detail)
        yield from certificate_rules.of_certificate(self._rules, address, port, now)


def score(found: Iterable[Finding]) -> float:
    """Return the score of a host: each rule once, with the most points it found (each list is a rule); at most 1."""
    best: dict[tuple[str, str], float] = {}
    for each in found:
        key = (each.rule, each.subject if each.rule == "blocklist" else "")
        best[key] = max(best.get(key, 0.0), each.points)
    return round(min(1.0, sum(best.values())), 4)


def load(home: Path) -> Rules:
    """Read the rules: the defaults, with every table the user's own file replaces.

    Raises:
        ConfigurationError: a rule or a list cannot be used; the message names it.

    """
    default = Path(__file__).with_name("rules.toml")
    tables = _tables(default)
    own = home / USER_FILE
    # Looked at before they are read: what changes while it is read has changed.
    read_from = {own: _stamp(own)}
    if read_from[own] is not None:
        tables |= _tables(own)
    try:
        document = msgspec.convert(tables, _Document)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{own}: {error}") from None
    read_from[home / own_networks.FILE] = _stamp(home / own_networks.FILE)
    networks = own_networks.load(home)
    files = [home / each.file for each in document.blocklist]
    read_from |= {file: _stamp(file) for file in files}
    read_lists = [read(each.name, each.points, file) for each, file in zip(document.blocklist, files, strict=True)]
    digest = hashlib.sha256(msgspec.json.encode(document, order="deterministic"))
    for _, content in read_lists:
        digest.update(content.encode())
    for network, description in networks.described.items():
        digest.update(f"{network} {description.importance}".encode())
    return Rules(document, [each for each, _ in read_lists], networks, digest.hexdigest()[:12], read_from)


def _stamp(file: Path) -> _Stamp | None:
    """Return what changes whenever a file does; None while the file is missing."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _tables(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error
