"""The registry of geolocation providers: each is declared by one entry in its own file.

To add one, write a file in `cobalt_tasks/geolocation/providers/` with a `ProviderEntry`, and name it in `_BUILT_IN`; or
declare it in a package of your own as an entry point of the group `cobalt.providers`. Its settings follow from the entry.

Entries are imported by name, since nothing in `core` depends on the folders above it.
"""

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, Final

from msgspec import Struct

from cobalt_tasks.core import plugins
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.variables import ABSENT, Variable

GROUP: Final = "cobalt.providers"
LOCAL: Final = "mmdb"
"""The provider that reads the databases of this machine."""

_BUILT_IN: Final = {
    LOCAL: "cobalt_tasks.geolocation.providers.mmdb",
    "ip-api": "cobalt_tasks.geolocation.providers.ip_api",
    "ipinfo": "cobalt_tasks.geolocation.providers.ipinfo",
    "ipgeolocation": "cobalt_tasks.geolocation.providers.ipgeolocation",
}


class Limit(Struct, frozen=True, kw_only=True):
    """At most `calls` within any `window` (seconds). For a provider that counts addresses, each address is a call."""

    window: float
    calls: int


class ProviderSettings(Struct, frozen=True, kw_only=True):
    """What the environment sets for one provider.

    Attributes:
        name: the provider's name.
        url: its base URL, checked; empty for a provider that uses no network.
        key: its key or token; None if it is not set.

    """

    name: str
    url: str
    key: str | None = None


class ProviderEntry(Struct, frozen=True, kw_only=True):
    """One geolocation provider.

    Attributes:
        name: its name in COBALT_GEO_PROVIDERS, in the ledger and in `provider` of a location.
        make: makes the provider (`geolocation.providers.base.Provider`) from its settings and the scope; it connects to
            nothing yet. None for the local databases.
        url: the default base URL; empty for a provider that uses no network.
        key_variable: the environment variable that holds its key; None if it needs none. Without its key it is off.
        limits: the calls it allows, each within a window; empty if it states none.
        batch: the largest number of addresses in one call.
        is_default: it is on, if it has its key, while COBALT_GEO_PROVIDERS is not set. Always False for a plug-in.
        needs, calls, endpoints: for the documentation, in Markdown: what is needed to use it, how many calls it allows,
            and which base URLs it understands.

    """

    name: str
    make: Callable[[ProviderSettings, Scope], Any] | None = None
    url: str = ""
    key_variable: str | None = None
    limits: tuple[Limit, ...] = ()
    batch: int = 1
    is_default: bool = False
    needs: str = "nothing"
    calls: str = ""
    endpoints: str = ""

    @property
    def url_variable(self) -> str | None:
        """The environment variable of its base URL, `COBALT_<NAME>_URL`; None for a provider that uses no network."""
        stem = "".join(letter for letter in self.name.upper() if letter.isalnum())
        return f"COBALT_{stem}_URL" if self.url else None

    @property
    def variables(self) -> Iterator[Variable]:
        """Its environment variables."""
        if self.url_variable:
            yield Variable(
                name=self.url_variable,
                meaning=f"base URL of the provider {self.name}, for a proxy, a paid endpoint or a test server",
                value="`http://HOST[:PORT]` or `https://HOST[:PORT]`",
                default=f"`{self.url}`",
                is_secret=True,
            )
        if self.key_variable:
            yield Variable(
                name=self.key_variable,
                meaning=f"key of the provider {self.name}; without it, the provider is off",
                value="text",
                default=ABSENT,
                is_secret=True,
            )


@cache
def built_in() -> dict[str, ProviderEntry]:
    """Return the providers of Cobalt itself by name, in the order they are asked by default."""
    found: dict[str, ProviderEntry] = {}
    for name, module in _BUILT_IN.items():
        entry: ProviderEntry = import_module(module).PROVIDER
        if entry.name != name:
            raise AssertionError(f"{module} declares {entry.name!r}, and is registered as {name!r}")
        found[name] = entry
    return found


def installed() -> dict[str, ProviderEntry]:
    """Return every provider by name, those of plug-ins last.

    Raises:
        ConfigurationError: a plug-in cannot be used.

    """
    found = dict(built_in())
    for name, entry in plugins.load(GROUP, ProviderEntry).items():
        if entry.name != name or name in found or not entry.url or entry.make is None or entry.is_default:
            raise ConfigurationError(
                f"the plug-in {name!r} in {GROUP}: it needs that name and no other provider's, `url` and `make`,"
                " and must not be on by default"
            )
        found[name] = entry
    return found


def find(name: str) -> ProviderEntry:
    """Return the provider of a name. Plug-ins are imported only if Cobalt itself has none of that name.

    Raises:
        ConfigurationError: the name is unknown, or a plug-in cannot be used.

    """
    entry = built_in().get(name) or installed().get(name)
    if entry is None:
        raise ConfigurationError(f"there is no provider {name!r}; there are {', '.join(installed())}")
    return entry


def default_names() -> tuple[str, ...]:
    """Return the providers that are on while COBALT_GEO_PROVIDERS is not set, in order."""
    return tuple(name for name, entry in built_in().items() if entry.is_default)
