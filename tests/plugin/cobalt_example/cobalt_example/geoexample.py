"""The geolocation provider `geoexample`: `GET URL/ADDRESS?key=KEY` answers `{"country": "NL", "city": "Delft"}`."""

from collections.abc import Sequence

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.providers import Limit, ProviderEntry, ProviderSettings
from cobalt_tasks.core.records import Location
from cobalt_tasks.geolocation.limits import Terms
from cobalt_tasks.geolocation.location import location_of
from cobalt_tasks.geolocation.providers.base import Answer, Client, decoded, one_by_one

_LARGEST = 1 << 16


class GeoExample:
    """The service, or a compatible server. One thread at a time."""

    def __init__(self, settings: ProviderSettings, scope: Scope) -> None:
        """Connect to nothing yet. `settings`: base URL and key; `scope`: addresses it excludes are never connected to."""
        self.terms = Terms(provider=PROVIDER.name, batch=PROVIDER.batch, limits=PROVIDER.limits)
        self._settings = settings
        self._client = Client(scope)

    def ask(self, addresses: Sequence[str]) -> Answer:
        """Make one call for each address, within the time of one call.

        Raises:
            ProviderError: the call brought nothing.

        """
        return one_by_one(addresses, self._one)

    def _one(self, address: str, seconds: float) -> Location | str:
        reply = self._client.exchange(
            "GET",
            f"{self._settings.url}/{address}",
            parameters={"key": self._settings.key or ""},
            largest=_LARGEST,
            within=seconds,
        )
        match decoded(reply):
            case {"country": str(country), "city": str(city), **_rest}:
                return location_of(country_code=country, city=city, raw={"country": country, "city": city})
            case _:
                return "nothing known"


PROVIDER = ProviderEntry(
    name="geoexample",
    make=GeoExample,
    url="https://geo.example",
    key_variable="GEOEXAMPLE_KEY",
    limits=(Limit(window=60.0, calls=30),),
    batch=5,
    needs="a key",
    calls="30 a minute",
)
