"""The documents of the overview, of findings and of sources, as types: see answers.py."""

from typing import Any, TypedDict

from cobalt_tasks.views.dashboard.answers import Acceptance, HostRow


class FoundOnHost(TypedDict):
    """One finding of a host, and the note that accepts it."""

    address: str
    rule: str
    subject: str
    points: float
    source: str
    observed_at: float
    detail: str
    accepted: Acceptance | None


class HostWithFindings(HostRow):
    """A host and its findings, those with the most points first."""

    findings: list[FoundOnHost]


class FindingPage(TypedDict):
    """A page of hosts with findings."""

    items: list[HostWithFindings]
    next: str | None


class SourceRow(TypedDict):
    """One source and its counts."""

    id: int
    name: str
    read: int
    accepted: int
    duplicates: int
    rejected: int
    ignored: int


class SourcePage(TypedDict):
    """A page of sources."""

    items: list[SourceRow]
    next: int | None


class RejectRow(TypedDict):
    """One record that was refused: its source, its position there, and why."""

    id: int
    position: int
    reason: str
    arrived_at: float


class RejectPage(TypedDict):
    """A page of refused records."""

    items: list[RejectRow]
    next: int | None


class CountryRow(TypedDict):
    """A country: its hosts, null if they are not among the most, and the connections of the time that was asked for."""

    country: str
    hosts: int | None
    connections: int


class CountryList(TypedDict):
    """The countries with most hosts and connections. `counted_at`: when the hosts were counted, null for just now."""

    exact: bool
    counted_at: float | None
    items: list[CountryRow]
    unknown_connections: int
    inside_connections: int


class RiskyHost(TypedDict):
    """A host with a high score, and its weightiest reasons."""

    address: str
    score: float
    country_code: str | None
    country_name: str | None
    organisation: str | None
    names: list[str]
    reasons: list[dict[str, Any]]
    findings: int


class KindCount(TypedDict):
    """How many changes of a kind."""

    kind: str
    count: int


class NewChange(TypedDict):
    """One of the newest changes."""

    id: int
    kind: str
    address: str
    port: int
    protocol: str
    observed_at: float
    recorded_at: float
    text: str


class ChangeSummary(TypedDict):
    """How many changes there were, of which kinds, and the newest."""

    total: int
    exact: bool
    kinds: list[KindCount]
    newest: list[NewChange]


class ExpiringCertificate(TypedDict):
    """A certificate that expires soon, and some of the ports that show it."""

    fingerprint: str
    subject: str
    not_after: float
    state: str
    names: list[str]
    ports: list[dict[str, Any]]
    more_ports: int


class OverviewAnswer(TypedDict):
    """The short lists of the overview."""

    since: float
    until: float
    countries: CountryList
    riskiest: list[RiskyHost]
    changes: ChangeSummary
    certificates: list[ExpiringCertificate]


class TrafficSpan(TypedDict):
    """One minute, hour or day from `start`: `connections` and `protocols`, or `values` by country or site."""

    start: int


class TrafficAnswer(TypedDict):
    """Connections over time; `by` has the sums of the whole time, the largest first."""

    span: str
    since: float
    until: float
    spans: list[TrafficSpan]
    by: dict[str, int]


class FormatRow(TypedDict):
    """One format of exports. `tables`: those it holds; `columns`: whether they can be chosen."""

    name: str
    media_type: str
    extension: str
    summary: str
    tables: list[str]
    columns: bool


class FormatList(TypedDict):
    """The formats of exports."""

    items: list[FormatRow]
