"""Which words to try on a port, in which order, and how long to wait for each."""

from typing import Final

from msgspec import Struct

from workers.probes.banner import postgresql, rdp, redis, tls, web
from workers.probes.banner.dialogue import Speaker

SPEAKERS: Final[dict[str, Speaker]] = {
    "http": web.speak,
    "tls": tls.speak,
    "redis": redis.speak,
    "postgresql": postgresql.speak,
    "rdp": rdp.speak,
}

_TLS: Final = (443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 4443, 5061, 5671, 6443, 6697, 8443, 8883)
_HTTP: Final = (80, 81, 591, 2375, 3000, 5000, 5601, 5985, 7001, 8000, 8008, 8080, 8081, 8088, 8888, 9000, 9090, 9200)
_KNOWN: Final = {
    **dict.fromkeys((*_TLS, 9443, 10443), "tls"),
    **dict.fromkeys(_HTTP, "http"),
    6379: "redis",
    5432: "postgresql",
    3389: "rdp",
}

_GREETING: Final = 0.5
_GREETING_UNEXPECTED: Final = 0.1
"""Where the client is known to speak first, a server that greets all the same is still heard."""

_PATIENCE: Final = 0.7
_PATIENCE_KNOWN: Final = 1.5
"""A server on its own port answers, but may have to think first."""


class Plan(Struct, frozen=True):
    """What to do on a port: listen, then speak in turn. Times in seconds."""

    listen: float
    steps: tuple[tuple[str, float], ...]


def plan(port: int) -> Plan:
    """Return the plan for a port: what usually lives there first, HTTP and TLS in any case."""
    known = _KNOWN.get(port)
    others = [(name, _PATIENCE) for name in ("http", "tls") if name != known]
    if known is None:
        return Plan(_GREETING, tuple(others))
    return Plan(_GREETING_UNEXPECTED, ((known, _PATIENCE_KNOWN), *others))
