"""Differences between what was known and what is known now, and what scans show beside open ports."""

from bisect import bisect_right
from enum import StrEnum
from typing import Final

from msgspec import Struct


class ChangeKind(StrEnum):
    """What a change is about."""

    NETWORKS_SCANNED = "networks scanned"
    """The first scan of one or more networks: one change for all that it found there."""
    HOST_FOUND = "host found"
    """A scan reported a host for the first time; its ports are part of it."""
    PORT_OPENED = "port opened"
    PORT_CLOSED = "port closed"
    PORT_REOPENED = "port reopened"
    SERVICE_CHANGED = "service changed"
    PRODUCT_CHANGED = "product changed"
    VERSION_CHANGED = "version changed"
    CERTIFICATE_CHANGED = "certificate changed"
    CERTIFICATE_RENEWED = "certificate renewed"
    """The new one has the same names, and the same key or issuer."""
    CERTIFICATE_EXPIRING = "certificate expiring"
    """30, 14, 7 or 1 days are left; each is one change."""
    NAME_ADDED = "name added"
    NAME_GONE = "name gone"
    """The host's reverse lookup does not lead to the name any more."""
    LOCATION_CHANGED = "location changed"
    NETWORK_CHANGED = "network changed"
    """The address belongs to another autonomous system."""
    LOCATIONS_UPDATED = "locations updated"
    """A newer database places hosts elsewhere: one change for all of them."""
    RECOGNITION_UPDATED = "recognition updated"
    """Newer recognisers describe the same answers otherwise: one change for all of them."""
    SCORE_CHANGED = "score changed"
    """The score crossed one of SCORE_STEPS."""
    PEER_COUNTRY_NEW = "new peer country"
    """Hosts of an own network have their first connection with a country."""


SCORE_STEPS: Final = (0.25, 0.5, 0.75)
"""A score that goes over or under one of these is a change."""


def score_step(score: float) -> int:
    """Return how many of SCORE_STEPS a score has reached."""
    return bisect_right(SCORE_STEPS, score)


class Change(Struct, frozen=True, kw_only=True, gc=False):
    """One difference between what was known and what is known now; `old` and `new` are texts, None where nothing was or is known."""

    kind: ChangeKind
    address: str
    observed_at: float
    protocol: str = ""
    port: int = 0
    old: str | None = None
    new: str | None = None


class ScanPart(Struct, kw_only=True):
    """What a piece of one scan's report shows beside open ports. It counts once the scan has ended well.

    Attributes:
        is_start: the scan starts here; what an earlier one of this source left without its end closes nothing.
        closed: (address, protocol, port, epoch seconds) of ports reported closed.
        hosts: (address, epoch seconds, is_rest_closed) of hosts whose scan is whole; is_rest_closed: every port that is
            not listed was reported closed.
        ended: the scan ended well.
        covers: the ports that were scanned, as ranges (first, last) by protocol.

    """

    is_start: bool = False
    closed: list[tuple[str, str, int, float]] = []
    hosts: list[tuple[str, float, bool]] = []
    ended: bool = False
    covers: dict[str, list[tuple[int, int]]] = {}
