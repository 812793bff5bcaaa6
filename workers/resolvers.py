"""DNS: which servers are asked about what, and what comes of it. Never an exception, always an DnsAnswer."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import dns.resolver
from msgspec import Struct

from cobalt_tasks.core import checked_values
from cobalt_tasks.core.addresses import Scope, canonical, is_public
from cobalt_tasks.protocols.dns_messages import DnsMessage, Labels, RecordType, ResponseCode, question
from workers.dns_client import Address, DnsClient, is_silent

_ONE_QUERY: Final = 1.5
"""Seconds one server may take; then the next is asked."""

_PAUSE: Final = 0.2
"""Seconds between two rounds: a host that refuses does so at once."""


class DnsReply(StrEnum):
    """What came of a DNS question."""

    FOUND = "found"
    NOTHING = "nothing"
    """The name does not exist, or has no such record: an answer."""
    BROKEN = "broken"
    """A resolver answered with an error: SERVFAIL, REFUSED and the like."""
    SILENT = "silent"
    """No resolver answered in time."""
    NOT_ASKED = "not asked"
    """There is no resolver that may be asked about this host."""


class DnsAnswer(Struct, frozen=True):
    """A DNS answer.

    names, addresses: what the records hold. ttl: seconds, the smallest on the way, or a negative answer's (RFC 2308); None
    if the answer has none.
    """

    reply: DnsReply
    names: tuple[Labels, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl: int | None = None


class Resolvers:
    """The DNS servers: the ones named, or the system's; never one that is excluded."""

    def __init__(self, scope: Scope, servers: Sequence[str], *, offline: bool) -> None:
        """Sort the servers.

        scope: servers that it excludes are not used.
        servers: as ADDRESS[:PORT]; offline: without any, ask none instead of the system's.

        Raises:
            ConfigurationError: a server is no address with a port.

        """
        named = [checked_values.resolver(text) for text in servers] if servers or offline else _system()
        usable = [each for each in named if not scope.excludes(each[0])]
        self.all: tuple[Address, ...] = tuple(usable)
        self.private: tuple[Address, ...] = tuple(each for each in usable if not is_public(each[0]))
        self._clients = {each: DnsClient(each) for each in usable}

    async def ask(self, name: Labels, kind: RecordType, *, is_private: bool, deadline: float) -> DnsAnswer:
        """Ask for the records of a name; truncated answers are asked for again over TCP.

        name: its labels; kind: the type of the records.
        is_private: ask only resolvers that have private addresses themselves.
        deadline: by the event loop's clock.
        """
        servers = self.private if is_private else self.all
        if not servers:
            return DnsAnswer(DnsReply.NOT_ASKED)
        try:
            asked = question(name, kind)
        except ValueError:
            return DnsAnswer(DnsReply.NOTHING)
        loop = asyncio.get_running_loop()
        while loop.time() < deadline:
            is_broken = False
            # Those that were silent of late are asked after the others.
            for server in sorted(servers, key=is_silent):
                reply = await self._clients[server].ask(asked, min(deadline, loop.time() + _ONE_QUERY))
                if reply is not None and reply.code in {ResponseCode.NOERROR, ResponseCode.NXDOMAIN}:
                    return _answer(reply)
                is_broken = is_broken or reply is not None
            if is_broken:
                return DnsAnswer(DnsReply.BROKEN)
            await asyncio.sleep(min(_PAUSE, max(0.0, deadline - loop.time())))
        return DnsAnswer(DnsReply.SILENT)


def _answer(reply: DnsMessage) -> DnsAnswer:
    found = DnsReply.FOUND if reply.names or reply.addresses else DnsReply.NOTHING
    return DnsAnswer(found, reply.names, reply.addresses, reply.ttl)


def _system() -> list[Address]:
    try:
        found = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration:
        return []
    return [(address, checked_values.DNS_PORT) for each in found if (address := canonical(str(each)))]
