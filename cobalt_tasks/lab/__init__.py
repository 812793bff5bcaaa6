"""A small network on loopback addresses, for the demo and for tests: services that answer as real ones do.

`python -m cobalt_tasks.lab` serves it on the ports of endpoints.py until SIGTERM.
"""

from cobalt_tasks.lab.endpoints import ENDPOINTS, NAMES, RESOLVER, Endpoint, resolver_of
from cobalt_tasks.lab.resolvers import resolvers
from cobalt_tasks.lab.scan import scan_lines

__all__ = ["ENDPOINTS", "NAMES", "RESOLVER", "Endpoint", "resolver_of", "resolvers", "scan_lines"]
