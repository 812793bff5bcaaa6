"""Which hosts, ports, facts and jobs follow from the records of a batch."""

import base64
import binascii
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from msgspec.structs import replace

from cobalt_tasks.core import catalog, own_networks
from cobalt_tasks.core.addresses import Scope, is_public
from cobalt_tasks.core.kinds import Disclosure, Origin
from cobalt_tasks.core.records import Banner, Discovery, FactRank, Facts, HardwareAddress, NewJob
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.core.text import LONGEST
from cobalt_tasks.fingerprints.installed import recognise_more
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.protocols import Fingerprint, printable, recognise
from cobalt_tasks.protocols.details import details_of
from cobalt_tasks.protocols.registry import TLS_PORTS, udp_words_at

_TLS_SERVICES: Final = frozenset({"ssl", "X509", "X509CA"})
_CERTIFICATES: Final = frozenset({"X509", "X509CA"})
_ASIDE: Final = frozenset({"title", "html", "vuln", "heartbleed", "ticketbleed", "scripting", "versioning", "error"})
"""Names of services under which scanners report something about another service."""

_PARTS: Final = frozenset({"http.server", "vnc-info"})
"""Services whose banner is a part of another banner of the same port."""

_WITH_PORTS: Final = frozenset({"tcp", "udp", "sctp"})
_MOST_REMEMBERED: Final = 50_000
_REMEMBERED_SECONDS: Final = 3600.0
"""For a host that turns up again within this time no jobs are requested."""

_NEVER_NAMED: Final = re.compile(r"0\.|169\.254\.|2(?:2[4-9]|[345]\d)\.|::$|fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:")
"""Unspecified, link-local, multicast and reserved addresses (RFC 6890, RFC 4291) have no names."""

_MIXED: Final = frozenset({"0", "10", "100", "127", "169", "172", "192", "198", "203"})
_FIRST_MULTICAST: Final = 224

_OF_HOSTS: Final = catalog.made_by(Origin.HOST)
_OF_PORTS: Final = catalog.made_by(Origin.PORT)
_OF_TLS: Final = catalog.made_by(Origin.TLS)

Key = tuple[str, str, int]


class RecentlyRequested:
    """Targets for which jobs were requested, to a bound and for a time: it only saves statements."""

    def __init__(self) -> None:
        """Start empty."""
        self._until: dict[Any, float] = {}

    def has(self, target: Any, now: float) -> bool:
        """Return whether jobs for `target` were requested within the time; `now` is in epoch seconds."""
        return self._until.get(target, 0.0) > now

    def remember(self, targets: Iterable[Any], now: float) -> None:
        """Remember `targets`, once their jobs are committed, from `now` on. At the bound the oldest half is dropped."""
        self._until.update(dict.fromkeys(targets, now + _REMEMBERED_SECONDS))
        if len(self._until) > _MOST_REMEMBERED:
            for target in list(self._until)[: _MOST_REMEMBERED // 2]:
                del self._until[target]


class Planner:
    """Adds to batches what follows from their records."""

    def __init__(self, settings: Settings) -> None:
        """Read the scope.

        Raises:
            ConfigurationError: the scope or the own networks cannot be read.

        """
        self._scope = Scope(settings.scope, settings.exclude)
        self._own = own_networks.load(settings.home)
        self._scans_traffic = bool(settings.scope)
        self._looks_up = bool(settings.resolvers) or not settings.offline
        self._requested = RecentlyRequested()

    def plan(self, batch: Batch) -> Batch:
        """Add hosts, ports, facts and jobs to a batch; return it."""
        now = time.time()
        batch.hosts = sorted(_hosts(batch, now))
        batch.ports = sorted(_ports(batch, now))
        if self._own.described:
            batch.own = {address for address, *_ in batch.hosts if self._own.of(address) is not None}
        if batch.banners or batch.hostnames or batch.certificates or batch.sightings or batch.hardware_addresses:
            _collect_facts(batch, now)
        batch.jobs = self._jobs(batch, now)
        return batch

    def committed(self, batch: Batch) -> None:
        """Remember which jobs a batch requested, once it is in the ledger."""
        now = time.time()
        self._requested.remember((address for address, *_ in batch.hosts), now)
        scanned = (
            (address, protocol, port) for address, protocol, port, *_, in_traffic in batch.ports if not in_traffic
        )
        self._requested.remember(scanned, now)

    def _jobs(self, batch: Batch, now: float) -> list[NewJob]:
        has = self._requested.has
        made = [job for address, *_ in batch.hosts if not has(address, now) for job in self._for_host(address)]
        for address, protocol, port, *_, in_traffic in batch.ports:
            target = (address, protocol, port)
            if has(target, now) or not _is_probed(protocol, port):
                continue
            # What only traffic shows is no leave to probe: the scope has to allow it.
            if self._scope.allows(address, discovered=not in_traffic):
                made.extend(_for_port(target))
        encrypted = {
            (each.address, each.protocol, each.port) for each in batch.banners if each.service in _TLS_SERVICES
        }
        for target in sorted(encrypted):
            if self._scope.allows(target[0], discovered=target not in batch.in_traffic):
                made.extend(_for_tls(target))
        if self._scans_traffic:
            made.extend(self._jobs_for_traffic(batch, now))
        return made

    def _for_host(self, address: str) -> list[NewJob]:
        """Return the jobs of a host that send it nothing; an excluded one is not looked up at all."""
        if self._scope.excludes(address):
            return []
        return [
            NewJob(kind=kind.name, address=address)
            for kind in _OF_HOSTS
            if self._may_disclose(kind.discloses_to, address)
        ]

    def _may_disclose(self, party: Disclosure, address: str) -> bool:
        match party:
            case Disclosure.SERVICE:
                return is_sent_out(address)
            case Disclosure.RESOLVER:
                return self._looks_up and not _NEVER_NAMED.match(address)
            case Disclosure.TARGET:
                # Without a scope, no host is probed only because it exists.
                return self._scope.allows(address, discovered=False)

    def _jobs_for_traffic(self, batch: Batch, now: float) -> list[NewJob]:
        """Return the probes of hosts merely seen in traffic: only inside the scope the user has set."""
        peers = {(dst_ip, protocol, dst_port) for *_, dst_ip, dst_port, protocol, _, _, _ in batch.observations}
        peers |= {(each.dst_ip, each.protocol, each.dst_port) for each in batch.identified.values()}
        targets = [
            target
            for target in peers
            if target[1] == "tcp"
            and target[2]
            and not self._requested.has(("traffic", target), now)
            and self._scope.allows(target[0], discovered=False)
        ]
        self._requested.remember((("traffic", target) for target in targets), now)
        return [job for target in targets for job in _for_port(target)]


def is_sent_out(address: str) -> bool:
    """Return what `addresses.is_public` returns, at once for most of IPv4: whole first octets are public or are not."""
    first, dot, _ = address.partition(".")
    if dot and first not in _MIXED and ":" not in first:
        return int(first) < _FIRST_MULTICAST
    return is_public(address)


def _is_probed(protocol: str, port: int) -> bool:
    """Return whether there is something to send to a port."""
    return protocol == "tcp" or (protocol == "udp" and bool(udp_words_at(port, industrial=True)))


def _for_port(target: Key) -> list[NewJob]:
    made = [_job(kind.name, target) for kind in _OF_PORTS]
    return [*made, *_for_tls(target)] if target[1] == "tcp" and target[2] in TLS_PORTS else made


def _for_tls(target: Key) -> list[NewJob]:
    return [_job(kind.name, target) for kind in _OF_TLS]


def _job(kind: str, target: Key) -> NewJob:
    return NewJob(kind=kind, address=target[0], protocol=target[1], port=target[2])


def _hosts(batch: Batch, now: float) -> list[tuple[str, float, float, bool]]:
    """Return a row for each host met: both ends of a connection, and what a scan found."""
    pairs = [(src_ip, at) for _, at, _, src_ip, *_ in batch.observations]
    pairs += [(dst_ip, at) for _, at, _, _, _, dst_ip, *_ in batch.observations]
    lines = batch.identified.values()
    pairs += [(each.src_ip, each.last_at) for each in lines] + [(each.dst_ip, each.last_at) for each in lines]
    if batch.joined:
        pairs += [(each.src_ip, each.first_at) for each in lines] + [(each.dst_ip, each.first_at) for each in lines]
    pairs += [(address, at) for _, address, _, _, _, at, *_ in batch.discoveries]
    pairs += [(each.address, each.observed_at) for each in batch.hardware_addresses]
    discovered = {
        address
        for _, address, protocol, port, *_ in batch.discoveries
        if (address, protocol, port) not in batch.in_traffic
    }
    last = dict(pairs)
    first = last
    if len({when for _, when in pairs}) > 1:
        pairs.sort(key=_when)
        last = dict(pairs)
        pairs.reverse()
        first = dict(pairs)
    return [
        # Seen is never later than now, whatever a line's own clock shows.
        (address, min(first[address], now), min(when, now), address in discovered)
        for address, when in last.items()
    ]


def _when(pair: tuple[str, float]) -> float:
    return pair[1]


def _ports(batch: Batch, now: float) -> list[tuple[str, str, int, float, float, bool]]:
    spans: dict[Key, tuple[float, float]] = {}
    found = [(address, protocol, port, when) for _, address, protocol, port, _, when, *_ in batch.discoveries]
    if batch.in_traffic:
        found += [
            (each.address, each.protocol, each.port, batch.arrived_at if each.observed_at is None else each.observed_at)
            for each in batch.banners
        ]
    for address, protocol, port, when in found:
        if port and protocol in _WITH_PORTS:
            key = (address, protocol, port)
            seen = min(when, now)
            first, last = spans.get(key, (seen, seen))
            spans[key] = (min(first, seen), max(last, seen))
    return [(*key, *span, key in batch.in_traffic) for key, span in spans.items()]


def _collect_facts(batch: Batch, now: float) -> None:
    """Turn what the scanner read into facts, at once: they need no connection of our own."""
    banners: list[Banner] = []
    # Of several banners of a port the last is shown with it: a whole answer rather than one line of it.
    for found in sorted(batch.banners, key=lambda each: each.service not in _PARTS):
        when = min(batch.arrived_at if found.observed_at is None else found.observed_at, now)
        if found.service in _CERTIFICATES and _add_certificate(batch, found, when):
            continue
        banner = _banner(found, batch.tool, when)
        (batch.evidence if found.service in _ASIDE else banners).append(banner)
    batch.facts = Facts(
        hostnames=batch.hostnames,
        certificates=batch.certificates,
        sightings=batch.sightings,
        banners=banners,
        hardware_addresses=[_with_vendor(each) for each in batch.hardware_addresses if not is_sent_out(each.address)],
        locations=[],
    )


def _with_vendor(found: HardwareAddress) -> HardwareAddress:
    """Return a MAC address with its vendor, by the list of the IEEE where the tool names none."""
    if found.vendor is not None:
        return found
    from cobalt_tasks.hosts.vendors import vendor_of  # noqa: PLC0415  # the list is large, and few inputs have such addresses

    return replace(found, vendor=vendor_of(found.mac))


def _add_certificate(batch: Batch, found: Discovery, when: float) -> bool:
    """Add a banner that is a certificate in base64, without a PEM frame; return whether it is one."""
    known = len(batch.certificates)
    try:
        der = base64.b64decode(found.banner or b"", validate=False)
    except (binascii.Error, ValueError):
        return False
    batch.certificate(found.address, found.protocol, found.port, der, when)
    return len(batch.certificates) > known


# The same answers are met on many hosts.
@lru_cache(1024)
def _recognised(raw: bytes, service: str | None) -> Fingerprint:
    return recognise(raw, service=service)


def _banner(found: Discovery, tool: str, when: float) -> Banner:
    raw = found.banner or b""
    known = _recognised(raw[:LONGEST], found.service)
    if raw:
        known = recognise_more(known, raw)
    # The words of a server are the same inside TLS: that it speaks TLS is what the scanner reports beside them.
    is_secured = known.service is not None and found.service == f"{known.service}s"
    return Banner(
        address=found.address,
        protocol=found.protocol,
        port=found.port,
        source=tool,
        observed_at=when,
        text=printable(raw),
        raw=raw,
        service=found.service if is_secured else known.service or found.service,
        product=found.product or known.product,
        version=found.version or known.version,
        rank=FactRank.TRAFFIC if found.seen_in_traffic else found.rank,
        details=found.details or details_of(known),
    )
