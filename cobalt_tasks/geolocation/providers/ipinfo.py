"""The provider `ipinfo`: https://ipinfo.io/developers, used with a token.

The batch endpoint takes 1,000 addresses; what a plan allows is not published by the service, it answers 429 beyond. A
base URL that ends in `/lite` (`https://api.ipinfo.io/lite`) is the free plan without a limit, which knows country and
network only and takes one address at a time.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.providers import ProviderEntry, ProviderSettings
from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.limits import Terms
from cobalt_tasks.geolocation.location import location_of
from cobalt_tasks.geolocation.providers.base import Answer, Client, ProviderError, decoded, one_by_one

_LITE_BATCH: Final = 50
_LARGEST: Final = 4 << 20


class IpInfo:
    """ipinfo.io, or a compatible server. One thread at a time."""

    def __init__(self, settings: ProviderSettings, scope: Scope) -> None:
        """Do not connect yet.

        Args:
            settings: the base URL, which chooses the endpoint, and the token.
            scope: no address that it excludes is connected to.

        """
        self._url = settings.url.rstrip("/")
        self._is_lite = self._url.endswith("/lite")
        self._headers = {"Authorization": f"Bearer {settings.key}", "Accept": "application/json"}
        self._client = Client(scope)
        batch = _LITE_BATCH if self._is_lite else PROVIDER.batch
        self.terms = Terms(provider=PROVIDER.name, batch=batch, counts_addresses=True)

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Ask for up to 1,000 addresses in one request, or up to 50 in as many (Lite).

        Raises:
            ProviderError: the call failed.

        """
        return one_by_one(addresses, self._one) if self._is_lite else self._batch(addresses)

    def _batch(self, addresses: Sequence[str]) -> Answer:
        reply = self._client.exchange(
            "POST",
            f"{self._url}/batch",
            largest=_LARGEST,
            headers={**self._headers, "Content-Type": "application/json"},
            body=msgspec.json.encode(list(addresses)),
        )
        found = decoded(reply)
        if not isinstance(found, Mapping):
            raise ProviderError("bad", "the answer is no object")
        locations: dict[str, Location] = {}
        negative: dict[str, str] = {}
        for address in addresses:
            entry = found.get(address)
            if isinstance(entry, Mapping):
                _sort(address, entry, locations, negative)
        return Answer(locations=locations, negative=negative)

    def _one(self, address: str, left: float) -> Location | str:
        reply = self._client.exchange(
            "GET",
            f"{self._url}/{address}",
            largest=_LARGEST,
            headers=self._headers,
            within=left,
        )
        entry = decoded(reply)
        if not isinstance(entry, Mapping) or entry.get("ip") != address:
            raise ProviderError("bad", "the answer is about something else")
        return "bogon" if entry.get("bogon") is True else _location(entry)


def _sort(
    address: str,
    entry: Mapping[str, object],
    locations: dict[str, Location],
    negative: dict[str, str],
) -> None:
    if entry.get("bogon") is True:
        negative[address] = "bogon"
    elif entry.get("ip", address) == address:
        locations[address] = _location(entry)


def _location(entry: Mapping[str, object]) -> Location:
    location = entry.get("loc")
    latitude, _, longitude = location.partition(",") if isinstance(location, str) else ("", "", "")
    is_lite = "country_code" in entry
    return location_of(
        country_code=entry.get("country_code") or entry.get("country"),
        # The country is a name in Lite, and the code again elsewhere.
        country=entry.get("country") if is_lite else None,
        region=entry.get("region"),
        city=entry.get("city"),
        latitude=latitude,
        longitude=longitude,
        timezone=entry.get("timezone"),
        asn=entry.get("asn") or entry.get("org"),
        organisation=entry.get("as_name"),
        raw=entry,
    )


PROVIDER: Final = ProviderEntry(
    name="ipinfo",
    make=IpInfo,
    url="https://ipinfo.io",
    key_variable="IPINFO_TOKEN",
    batch=1000,
    is_default=True,
    needs="`IPINFO_TOKEN`",
    calls="1,000 addresses each, as the plan allows",
    endpoints="`https://api.ipinfo.io/lite` for the free plan: country and network only",
)
