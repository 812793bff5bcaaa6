"""The documents that the API answers, as types: its OpenAPI description is made from them, and tests hold it against answers."""

from typing import Any, Literal, NotRequired, TypedDict

from cobalt_tasks.core.own_networks import Description
from cobalt_tasks.threat.zones import Zone
from cobalt_tasks.views.dashboard.payload import Component, Health
from cobalt_tasks.views.not_checked import Unchecked
from cobalt_tasks.views.status import Queue, SystemStatus, WorkerState


class Problem(TypedDict):
    """Why there is no answer. `column`: where in the query, from 1."""

    detail: str
    column: NotRequired[int | None]


class Alive(TypedDict):
    """The server answers."""

    status: Literal["OK"]


class HealthAnswer(TypedDict):
    """Whether work can be done, what is wrong, and the components."""

    status: Literal["OK", "DEAD"]
    overall: float
    reasons: list[str]
    components: dict[str, Component]


class QueuesAnswer(TypedDict):
    """Every queue, the jobs of each kind by state, the workers, and why Redis does not answer."""

    queues: dict[str, Queue]
    jobs: dict[str, dict[str, int]]
    workers: list[WorkerState]
    broker: str | None


class LiveConnection(TypedDict):
    """One connection as the live views show it. An unknown country is "??"; `timestamp` is its arrival."""

    id: int
    timestamp: float
    observed_at: float
    source: str
    src_ip: str
    src_port: int | None
    dst_ip: str
    dst_port: int
    dst_public: bool
    dst_country: str
    dst_country_name: str | None
    dst_city: str | None
    dst_lat: float | None
    dst_lon: float | None
    dst_asn: int | None
    dst_org: str | None
    dst_hostname: str | None
    protocol: str
    process: str | None
    geo_failed: bool
    threat_score: float
    scored: bool
    reputation: dict[str, Any]


class ThreatStatistics(TypedDict):
    """Countries known, and connections of the last minute to risky hosts."""

    total_countries: int
    active_threats: int


class ThreatGeography(TypedDict):
    """Where connections to risky hosts go."""

    threat_zones: list[Zone]
    statistics: ThreatStatistics


class DataAnswer(TypedDict):
    """The connections of the last minute, the newest of all if there are none, health, metrics and the status."""

    timestamp: float
    connections: list[LiveConnection]
    latest_connections: list[LiveConnection]
    geo_intelligence: ThreatGeography
    system_health: Health
    metrics: dict[str, Any]
    integration_status: dict[str, str]
    status: SystemStatus


class Whereabouts(TypedDict):
    """Where a host is, and to whom its address belongs, as the provider reported."""

    country_code: str | None
    country_name: str | None
    region: str | None
    city: str | None
    latitude: float | None
    longitude: float | None
    timezone: str | None
    asn: int | None
    organisation: str | None
    isp: str | None
    provider: str | None


class ServicePort(TypedDict):
    """A port and what runs on it."""

    protocol: str
    port: int
    service: str | None
    product: str | None
    version: str | None


class HostRow(Whereabouts):
    """One host in a list; score is null until it is made. `site`: the own network that it lies in."""

    address: str
    first_seen: float
    last_seen: float
    discovered: bool
    score: float | None
    names: list[str]
    ports: list[ServicePort]
    site: NotRequired[str | None]


class HostPage(TypedDict):
    """A page of hosts. `note`: the reason why a list without a query is empty."""

    items: list[HostRow]
    next: str | None
    note: NotRequired[str | None]


class PortOfHost(ServicePort):
    """A port of a host with its state: open, not confirmed, or closed."""

    unconfirmed_since: float | None
    closed_since: float | None
    banner: str | None
    details: NotRequired[str | None]
    seen_in_traffic: bool
    first_seen: float
    last_seen: float
    cut: NotRequired[list[str]]


class HostAnswer(Whereabouts):
    """All that is known of a host: each list as far as the page goes, `totals`, and where the longer ones go on."""

    address: str
    first_seen: float
    last_seen: float
    discovered: bool
    score: float | None
    scored_at: float | None
    rule_version: str | None
    location_sources: str | None
    located_at: float | None
    database_built: float | None
    own_network: Description | None
    evidence: list[dict[str, Any]]
    hostnames: list[dict[str, Any]]
    hardware_addresses: list[dict[str, Any]]
    ports: list[PortOfHost]
    banners: list[dict[str, Any]]
    certificates: list[dict[str, Any]]
    jobs: list[dict[str, Any]]
    connections: list[dict[str, Any]]
    not_checked: list[Unchecked]
    totals: dict[str, int]
    next: dict[str, str]


class PartPage(TypedDict):
    """A page of one list of a host."""

    items: list[dict[str, Any]]
    total: int
    next: str | None


class ConnectionPage(TypedDict):
    """A page of connections: with `q` rows as they are stored, else as the live views show them."""

    items: list[dict[str, Any]]
    next: int | str | None


class JobRow(TypedDict):
    """One job."""

    id: int
    kind: str
    address: str
    protocol: str
    port: int
    level: int
    state: str
    attempts: int
    created_at: float
    sent_at: float | None
    started_at: float | None
    finished_at: float | None
    outcome: str | None
    detail: str | None


class JobPage(TypedDict):
    """A page of jobs."""

    items: list[JobRow]
    next: int | None


class PortRow(PortOfHost):
    """One port of one host, without its details."""

    address: str


class PortPage(TypedDict):
    """A page of ports."""

    items: list[PortRow]
    next: str | None


class FieldRow(TypedDict):
    """One field of the search language."""

    name: str
    type: str
    meaning: str
    example: str
    applies_to: list[str]
    facet: bool
    listed: bool


class FieldList(TypedDict):
    """The fields of the search language."""

    items: list[FieldRow]


class ValueList(TypedDict):
    """Values of a field."""

    items: list[str]


class Acceptance(TypedDict):
    """The note that accepts a finding or change."""

    id: int
    reason: str
    author: str
    expires_at: float | None


class ChangeRow(TypedDict):
    """One change: what it was, where, in words, and the note that accepts it."""

    id: int
    kind: str
    address: str
    protocol: str
    port: int
    old: str | None
    new: str | None
    observed_at: float
    recorded_at: float
    text: str
    accepted: Acceptance | None


class ChangePage(TypedDict):
    """A page of changes."""

    items: list[ChangeRow]
    next: int | None


class NoteRow(Acceptance):
    """One note, and whether it holds now."""

    about: str
    kind: str
    address: str
    subject: str
    created_at: float
    ended_at: float | None
    holds: bool


class NoteList(TypedDict):
    """The notes, the newest first."""

    items: list[NoteRow]


class CertificatePort(TypedDict):
    """A port that showed a certificate."""

    address: str
    protocol: str
    port: int
    first_seen: float
    last_seen: float
    replaced_by: str | None
    closed: bool
    sources: list[str]


class CertificateRow(TypedDict):
    """One certificate with the ports that showed it."""

    fingerprint: str
    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    self_signed: bool
    names: list[str]
    state: Literal["valid", "expiring", "expired", "not yet valid"]
    in_use: bool
    ports: list[CertificatePort]
    more_ports: bool


class CertificatePage(TypedDict):
    """A page of certificates."""

    items: list[CertificateRow]
    next: str | None
