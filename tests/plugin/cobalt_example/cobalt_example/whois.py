"""The kind `whois`: who is responsible for the network of a host (RFC 3912). Every process imports this file."""

from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.kinds import Disclosure, Kind, Origin, Pool, Unit

KIND = Kind(
    name="whois",
    priority=4,
    unit=Unit.HOST,
    pool=Pool.NETWORK,
    discloses_to=Disclosure.SERVICE,
    origins=frozenset({Origin.HOST}),
    runner="cobalt_example.whois_probe:probe",
    facts=frozenset({"hostnames"}),
    fresh_for=30 * DAY,
    pause=6 * HOUR,
)
