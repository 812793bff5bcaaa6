"""The provider `ip-api`: https://ip-api.com/docs/api:batch.

Free: 15 batch calls of 100 addresses in a minute, HTTP only, not for commercial use. A base URL with a key
(`https://pro.ip-api.com?key=…`) is the paid service, which counts nothing.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from cobalt_tasks.core.addresses import Scope, canonical
from cobalt_tasks.core.providers import Limit, ProviderEntry, ProviderSettings
from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.limits import RateLimitHeaders, Terms
from cobalt_tasks.geolocation.location import location_of, words
from cobalt_tasks.geolocation.providers.base import Answer, Client, ProviderError, seconds

_FIELDS: Final = "status,message,country,countryCode,regionName,city,lat,lon,timezone,isp,org,as,query"
_LARGEST: Final = 1 << 20


class _Entry(Struct, rename="camel"):
    query: str
    status: str
    message: str | None = None
    country: str | None = None
    country_code: str | None = None
    region_name: str | None = None
    city: str | None = None
    lat: float | None = None
    lon: float | None = None
    timezone: str | None = None
    isp: str | None = None
    org: str | None = None
    network: str | None = msgspec.field(default=None, name="as")


class IpApi:
    """The batch endpoint of ip-api.com, or of a compatible server. One thread at a time."""

    def __init__(self, settings: ProviderSettings, scope: Scope, limits: tuple[Limit, ...] | None = None) -> None:
        """Do not connect yet.

        Args:
            settings: the base URL; with a key among its parameters, no limit holds.
            scope: no address that it excludes is connected to.
            limits: instead of those of the free service.

        """
        parts = urlsplit(settings.url)
        self._parameters = dict(parse_qsl(parts.query))
        self._url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/batch", query=""))
        limits = PROVIDER.limits if limits is None else limits
        self.terms = Terms(
            provider=PROVIDER.name, batch=PROVIDER.batch, limits=() if "key" in self._parameters else limits
        )
        self._client = Client(scope)

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Ask for up to 100 addresses at once.

        Raises:
            ProviderError: the call failed.

        """
        reply = self._client.exchange(
            "POST",
            self._url,
            largest=_LARGEST,
            parameters={**self._parameters, "fields": _FIELDS},
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode(list(addresses)),
        )
        remaining = seconds(reply.headers.get("x-rl"))
        try:
            raw = msgspec.json.decode(reply.body, type=list[dict[str, object]])
            entries = msgspec.convert(raw, list[_Entry])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderError("bad", f"not an answer: {error}"[:200]) from error
        asked = set(addresses)
        locations: dict[str, Location] = {}
        negative: dict[str, str] = {}
        for entry, original in zip(entries, raw, strict=True):
            address = canonical(entry.query)
            if address is None or address not in asked:
                continue
            if entry.status == "success":
                locations[address] = _location(entry, original)
            else:
                negative[address] = words(entry.message) or "nothing known"
        rate_limit = RateLimitHeaders(
            remaining=None if remaining is None else int(remaining),
            resets_in=seconds(reply.headers.get("x-ttl")),
        )
        return Answer(locations=locations, negative=negative, rate_limit=rate_limit)


def _location(entry: _Entry, raw: object) -> Location:
    return location_of(
        country_code=entry.country_code,
        country=entry.country,
        region=entry.region_name,
        city=entry.city,
        latitude=entry.lat,
        longitude=entry.lon,
        timezone=entry.timezone,
        asn=entry.network,
        organisation=entry.org,
        isp=entry.isp,
        raw=raw,
    )


PROVIDER: Final = ProviderEntry(
    name="ip-api",
    make=IpApi,
    url="http://ip-api.com",
    limits=(Limit(window=60.0, calls=15),),
    batch=100,
    is_default=True,
    needs="nothing; not for commercial use",
    calls="15 a minute, 100 addresses each",
    endpoints="`https://pro.ip-api.com?key=…` for the paid service, without a limit",
)
