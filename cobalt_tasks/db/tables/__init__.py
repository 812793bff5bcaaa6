"""The tables, by domain; this package has them all, so that `metadata` is complete.

Times are seconds since the epoch in UTC; absent parts of a job's target are '' and 0, so that unique keys hold on every
database.
"""

from cobalt_tasks.db import triggers
from cobalt_tasks.db.tables.alerts import alerts
from cobalt_tasks.db.tables.base import RowId, metadata
from cobalt_tasks.db.tables.changes import changes, milestones, notes, scanned_hosts, scanned_networks, scanned_ports
from cobalt_tasks.db.tables.geolocation import breakers, quotas
from cobalt_tasks.db.tables.hosts import (
    LOCATED,
    NAMED,
    banners,
    certificates,
    hardware_addresses,
    hostnames,
    hosts,
    locations,
    ports,
    services,
    sightings,
)
from cobalt_tasks.db.tables.ingest import discoveries, identities, observations, rejects, sources
from cobalt_tasks.db.tables.jobs import (
    ACTIVE,
    FINISHED,
    KIND_STATE,
    NOT_PENDING,
    SENDABLE,
    STALE_AT,
    WAITING,
    freshness,
    is_in,
    jobs,
    leases,
    written,
)
from cobalt_tasks.db.tables.machinery import (
    clocks,
    counts,
    cursors,
    ledger_sizes,
    locks,
    rounds,
    starts,
    traffic_counts,
)
from cobalt_tasks.db.tables.overview import flow_counts, map_cells
from cobalt_tasks.db.tables.search import (
    add_indexes,
    certificate_names,
    facet_counts,
    search_queue,
    search_texts,
    versions,
)
from cobalt_tasks.db.tables.threat import corrected_hosts, findings, new_findings, scores, unscored_hosts

__all__ = [
    "ACTIVE",
    "FINISHED",
    "KIND_STATE",
    "LOCATED",
    "NAMED",
    "NOT_PENDING",
    "SENDABLE",
    "STALE_AT",
    "WAITING",
    "RowId",
    "alerts",
    "banners",
    "breakers",
    "certificate_names",
    "certificates",
    "changes",
    "clocks",
    "corrected_hosts",
    "counts",
    "cursors",
    "discoveries",
    "facet_counts",
    "findings",
    "flow_counts",
    "freshness",
    "hardware_addresses",
    "hostnames",
    "hosts",
    "identities",
    "is_in",
    "jobs",
    "leases",
    "ledger_sizes",
    "locations",
    "locks",
    "map_cells",
    "metadata",
    "milestones",
    "new_findings",
    "notes",
    "observations",
    "ports",
    "quotas",
    "rejects",
    "rounds",
    "scanned_hosts",
    "scanned_networks",
    "scanned_ports",
    "scores",
    "search_queue",
    "search_texts",
    "services",
    "sightings",
    "sources",
    "starts",
    "traffic_counts",
    "unscored_hosts",
    "versions",
    "written",
]

triggers.attach(metadata)
add_indexes(
    (hostnames, "name"),
    (ports, "product"),
    (ports, "version"),
    (locations, "organisation"),
    (locations, "city"),
    (certificates, "subject"),
    (certificates, "issuer"),
    (observations, "process"),
)
