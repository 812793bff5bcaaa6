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
from cobalt_tasks.geolocation.place import Place, place_of, words
from cobalt_tasks.geolocation.providers.base import Answer, ProviderError, exchange, seconds
from cobalt_tasks.geolocation.providers.transport import Transport
from cobalt_tasks.geolocation.quotas import Limit, Terms, Word

_FIELDS: Final = "status,message,country,countryCode,regionName,city,lat,lon,timezone,isp,org,as,query"
_BATCH: Final = 100
_LARGEST: Final = 1 << 20
FREE: Final = (Limit(window=60.0, calls=15),)


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
    """The batch endpoint of ip-api.com, or of whatever speaks like it. One thread at a time."""

    def __init__(self, url: str, limits: tuple[Limit, ...] = FREE, scope: Scope | None = None) -> None:
        """Do not connect yet; never connect to what `scope` excludes."""
        parts = urlsplit(url)
        self._parameters = dict(parse_qsl(parts.query))
        self._url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/batch", query=""))
        self.terms = Terms(provider="ip-api", batch=_BATCH, limits=() if "key" in self._parameters else limits)
        self._transport = Transport(scope)

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Ask for up to 100 addresses at once.

        Raises:
            ProviderError: the call brought nothing.

        """
        reply = exchange(
            self._transport,
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
        places: dict[str, tuple[Place, object]] = {}
        negative: dict[str, str] = {}
        for entry, original in zip(entries, raw, strict=True):
            address = canonical(entry.query)
            if address is None or address not in asked:
                continue
            if entry.status == "success":
                places[address] = (_place(entry), original)
            else:
                negative[address] = words(entry.message) or "nothing known"
        word = Word(
            remaining=None if remaining is None else int(remaining),
            resets_in=seconds(reply.headers.get("x-ttl")),
        )
        return Answer(places=places, negative=negative, word=word)


def _place(entry: _Entry) -> Place:
    return place_of(
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
    )
