"""The DNS servers of a machine that runs the lab."""

import dns.resolver

from cobalt_tasks.lab.endpoints import RESOLVER


def resolvers() -> tuple[str, ...]:
    """Return the lab's DNS server, then this machine's own: the lab refuses what it does not know, and they are asked."""
    try:
        own = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration:
        return (RESOLVER,)
    return (RESOLVER, *(str(server) for server in own))
