"""Findings from connections: what hosts were connected to, and which hosts connect to others."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, func, select

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.tables import observations, ports
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import Contact, Rules, Talker


def of_targets(connection: Connection, rules: Rules, which: ColumnElement[bool]) -> list[Finding]:
    """Return the findings about the hosts that connections went to.

    Args:
        connection: to the ledger.
        rules: the rules in force.
        which: the condition on the connections.

    """
    only = rules.risky_ports
    reached = contacts(connection, only, which) if only else []
    return [found for each in reached for found in rules.of_contact(each)]


def of_sources(connection: Connection, rules: Rules, which: ColumnElement[bool]) -> list[Finding]:
    """Return the findings about the hosts that connections came from.

    Args:
        connection: to the ledger.
        rules: the rules in force.
        which: the condition on the connections.

    """
    days = rules.listener_days
    recent = talkers(connection, days * DAY, which) if days else []
    return [found for each in recent for found in rules.of_talker(each)]


def contacts(connection: Connection, only: Iterable[int], which: ColumnElement[bool]) -> list[Contact]:
    """Return the hosts and those of their ports `only` that the connections for `which` a condition holds went to."""
    key = (observations.c.dst_ip, observations.c.protocol, observations.c.dst_port)
    statement = (
        select(*key, func.max(observations.c.observed_at))
        .where(which, observations.c.dst_port.in_(sorted(only)))
        .group_by(*key)
    )
    return [
        Contact(address=address, protocol=protocol, port=port, observed_at=at)
        for address, protocol, port, at in connection.execute(statement)
    ]


def talkers(connection: Connection, newer_than: float, which: ColumnElement[bool]) -> list[Talker]:
    """Return the hosts that connections came from, of those that opened a port of late.

    Args:
        connection: to the ledger.
        newer_than: how many seconds before the host's last connection its newest port was opened, at most.
        which: the condition on the connections.

    """
    seen = (
        select(observations.c.src_ip.label("address"), func.max(observations.c.observed_at).label("observed_at"))
        .where(which)
        .group_by(observations.c.src_ip)
        .subquery()
    )
    # A seek for each source; a join could be made by reading all ports.
    newest = (
        select(func.max(ports.c.first_seen))
        .where(ports.c.address == seen.c.address, ports.c.closed_since.is_(None))
        .scalar_subquery()
    )
    asked = select(seen.c.address, newest.label("listens_since"), seen.c.observed_at).subquery()
    recent = asked.c.listens_since >= asked.c.observed_at - newer_than
    return [
        Talker(address=address, listens_since=first, observed_at=at)
        for address, first, at in connection.execute(select(asked).where(recent))
    ]
