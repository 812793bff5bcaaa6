"""The provider `mmdb`: the databases on this machine, read by `geolocation.local`. It has no quota."""

from typing import Final

from cobalt_tasks.core.providers import LOCAL, ProviderEntry

PROVIDER: Final = ProviderEntry(
    name=LOCAL,
    is_default=True,
    needs="`cobalt geodb update`",
    calls="any number",
)
