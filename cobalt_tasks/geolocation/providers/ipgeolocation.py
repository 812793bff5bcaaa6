"""The provider `ipgeolocation`: https://ipgeolocation.io/documentation.html, used with a key.

The path of the base URL chooses the endpoint: none is `/v3/ipgeo`; `/ipgeo` is the older one; `/v3/ipgeo-bulk` and
`/ipgeo-bulk` take many addresses at once, on paid plans. The free plan has 1,000 look-ups a day.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from cobalt_tasks.core.addresses import Scope, canonical
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.providers import Limit, ProviderEntry, ProviderSettings
from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.limits import Terms
from cobalt_tasks.geolocation.location import location_of, words
from cobalt_tasks.geolocation.providers.base import Answer, Client, ProviderError, decoded, one_by_one

_BULK_BATCH: Final = 1000
_LARGEST: Final = 8 << 20
_DEFAULT_PATH: Final = "/v3/ipgeo"

_ABOUT_THE_ADDRESS: Final = frozenset({400, 404, 423})
"""Bad address, not found, bogon: about the one address of the request."""


class IpGeolocation:
    """ipgeolocation.io, or a compatible server. One thread at a time."""

    def __init__(self, settings: ProviderSettings, scope: Scope, limits: tuple[Limit, ...] | None = None) -> None:
        """Do not connect yet.

        Args:
            settings: the base URL, whose path chooses the endpoint, and the key.
            scope: no address that it excludes is connected to.
            limits: instead of those of the free plan; none holds for the bulk endpoint.

        """
        parts = urlsplit(settings.url)
        path = parts.path.rstrip("/")
        path += "" if path.endswith(("/ipgeo", "/ipgeo-bulk")) else _DEFAULT_PATH
        self._url = urlunsplit(parts._replace(path=path))
        self._key = {"apiKey": settings.key or ""}
        self._is_bulk = path.endswith("-bulk")
        self._client = Client(scope)
        limits = PROVIDER.limits if limits is None else limits
        self.terms = Terms(
            provider=PROVIDER.name,
            batch=_BULK_BATCH if self._is_bulk else PROVIDER.batch,
            limits=() if self._is_bulk else limits,
            counts_addresses=True,
        )

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Ask for up to 1,000 addresses in one request (bulk), or up to 20 in as many.

        Raises:
            ProviderError: the call failed.

        """
        return self._bulk(addresses) if self._is_bulk else one_by_one(addresses, self._one)

    def _bulk(self, addresses: Sequence[str]) -> Answer:
        reply = self._client.exchange(
            "POST",
            self._url,
            largest=_LARGEST,
            parameters=self._key,
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({"ips": list(addresses)}),
        )
        entries = decoded(reply)
        # An entry about a bad address does not name it: only the order does.
        if not isinstance(entries, list) or len(entries) != len(addresses):
            raise ProviderError("bad", "the answer is not as long as the question")
        locations: dict[str, Location] = {}
        negative: dict[str, str] = {}
        for address, entry in zip(addresses, entries, strict=True):
            found = _read(address, entry)
            if isinstance(found, str):
                negative[address] = found
            else:
                locations[address] = found
        return Answer(locations=locations, negative=negative)

    def _one(self, address: str, left: float) -> Location | str:
        reply = self._client.exchange(
            "GET",
            self._url,
            largest=_LARGEST,
            parameters={**self._key, "ip": address},
            expected=_ABOUT_THE_ADDRESS,
            within=left,
        )
        return _read(address, decoded(reply))


def _read(address: str, entry: object) -> Location | str:
    if not isinstance(entry, Mapping):
        raise ProviderError("bad", "an entry is no object")
    address_there = entry.get("ip")
    if address_there is None:
        return words(entry.get("message")) or "nothing known"
    if not isinstance(address_there, str) or canonical(address_there) != address:
        raise ProviderError("bad", "the answer is about something else")
    return _location(entry)


def _location(entry: Mapping[str, object]) -> Location:
    """Read both layouts: nested (v3) and flat."""
    location = _part(entry, "location") or entry
    network = _part(entry, "asn")
    return location_of(
        country_code=location.get("country_code2"),
        country=location.get("country_name"),
        region=location.get("state_prov"),
        city=location.get("city"),
        latitude=location.get("latitude"),
        longitude=location.get("longitude"),
        timezone=_part(entry, "time_zone").get("name"),
        asn=network.get("as_number") or entry.get("asn"),
        organisation=network.get("organization") or entry.get("organization"),
        isp=entry.get("isp"),
        raw=entry,
    )


def _part(entry: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = entry.get(key)
    return value if isinstance(value, Mapping) else {}


PROVIDER: Final = ProviderEntry(
    name="ipgeolocation",
    make=IpGeolocation,
    url="https://api.ipgeolocation.io",
    key_variable="IPGEOLOCATION_API_KEY",
    limits=(Limit(window=DAY, calls=1000),),
    batch=20,
    is_default=True,
    needs="`IPGEOLOCATION_API_KEY`",
    calls="1,000 addresses a day",
    endpoints="ending in `/ipgeo` for the older interface, in `/v3/ipgeo-bulk` or `/ipgeo-bulk` on paid plans",
)
