"""The provider `ipgeolocation`: https://ipgeolocation.io/documentation.html, used with a key.

The path of the base URL chooses the endpoint: none is `/v3/ipgeo`; `/ipgeo` is the older one; `/v3/ipgeo-bulk` and
`/ipgeo-bulk` take many addresses at once, on paid plans. The free plan has 1,000 look-ups a day.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from cobalt_tasks.core.addresses import Scope, canonical
from cobalt_tasks.core.catalog import DAY
from cobalt_tasks.geolocation.place import Place, place_of, words
from cobalt_tasks.geolocation.providers.base import Answer, ProviderError, decoded, exchange, one_by_one
from cobalt_tasks.geolocation.providers.transport import Transport
from cobalt_tasks.geolocation.quotas import Limit, Terms

_BATCH: Final = 20
_BULK_BATCH: Final = 1000
_LARGEST: Final = 8 << 20
_DEFAULT_PATH: Final = "/v3/ipgeo"
FREE: Final = (Limit(window=DAY, calls=1000),)

_ABOUT_THE_ADDRESS: Final = frozenset({400, 404, 423})
"""Bad address, not found, bogon: said about the one address that was asked for."""


class IpGeolocation:
    """ipgeolocation.io, or whatever speaks like it. One thread at a time."""

    def __init__(self, url: str, key: str, limits: tuple[Limit, ...] = FREE, scope: Scope | None = None) -> None:
        """Do not connect yet; never connect to what `scope` excludes."""
        parts = urlsplit(url)
        path = parts.path.rstrip("/")
        path += "" if path.endswith(("/ipgeo", "/ipgeo-bulk")) else _DEFAULT_PATH
        self._url = urlunsplit(parts._replace(path=path))
        self._key = {"apiKey": key}
        self._is_bulk = path.endswith("-bulk")
        self._transport = Transport(scope)
        self.terms = Terms(
            provider="ipgeolocation",
            batch=_BULK_BATCH if self._is_bulk else _BATCH,
            limits=() if self._is_bulk else limits,
            counts_addresses=True,
        )

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Ask for up to 1,000 addresses in one request (bulk), or up to 20 in as many.

        Raises:
            ProviderError: the call brought nothing.

        """
        return self._bulk(addresses) if self._is_bulk else one_by_one(addresses, self._one)

    def _bulk(self, addresses: Sequence[str]) -> Answer:
        reply = exchange(
            self._transport,
            "POST",
            self._url,
            largest=_LARGEST,
            parameters=self._key,
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({"ips": list(addresses)}),
        )
        entries = decoded(reply)
        # An entry about a bad address does not say which: only the order tells.
        if not isinstance(entries, list) or len(entries) != len(addresses):
            raise ProviderError("bad", "the answer is not as long as the question")
        places: dict[str, tuple[Place, object]] = {}
        negative: dict[str, str] = {}
        for address, entry in zip(addresses, entries, strict=True):
            found = _read(address, entry)
            if isinstance(found, str):
                negative[address] = found
            else:
                places[address] = found
        return Answer(places=places, negative=negative)

    def _one(self, address: str, left: float) -> tuple[Place, object] | str:
        reply = exchange(
            self._transport,
            "GET",
            self._url,
            largest=_LARGEST,
            parameters={**self._key, "ip": address},
            welcome=_ABOUT_THE_ADDRESS,
            within=left,
        )
        return _read(address, decoded(reply))


def _read(address: str, entry: object) -> tuple[Place, object] | str:
    if not isinstance(entry, Mapping):
        raise ProviderError("bad", "an entry is no object")
    told = entry.get("ip")
    if told is None:
        return words(entry.get("message")) or "nothing known"
    if not isinstance(told, str) or canonical(told) != address:
        raise ProviderError("bad", "the answer is about something else")
    return _place(entry), entry


def _place(entry: Mapping[str, object]) -> Place:
    """Read both layouts: nested (v3) and flat."""
    location = _part(entry, "location") or entry
    network = _part(entry, "asn")
    return place_of(
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
    )


def _part(entry: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = entry.get(key)
    return value if isinstance(value, Mapping) else {}
