"""Which services outside are asked about hosts, in words for an operator."""

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.checked_values import excluded_resolvers
from cobalt_tasks.core.settings import Settings


def in_words(settings: Settings) -> list[str]:
    """Return a line about locations and one about names: who is asked, and what can be read on the way."""
    return [f"where hosts are: {_locations(settings)}", f"names of hosts: {_names(settings)}"]


def _locations(settings: Settings) -> str:
    asked = [f"{name} ({_way(settings.provider(name).url)})" for name in settings.online_providers]
    if not asked:
        return "no online provider" + (", COBALT_OFFLINE is set" if settings.offline else "")
    return f"{', '.join(asked)}, for public addresses only"


def _way(url: str) -> str:
    # Only the scheme: a URL may carry a key.
    return "encrypted" if url.startswith("https:") else "plain HTTP: addresses can be read on the way"


def _names(settings: Settings) -> str:
    if settings.resolvers:
        excluded = excluded_resolvers(Scope(settings.scope, settings.exclude), settings.resolvers)
        asked = ", ".join(each for each in settings.resolvers if each not in excluded)
        never = f"; not {', '.join(excluded)}: in COBALT_EXCLUDE" if excluded else ""
        return f"DNS servers {asked}{never}; private addresses only of private servers"
    if settings.offline:
        return "none, COBALT_OFFLINE is set and COBALT_RESOLVERS is not"
    return "the DNS servers of this system; private addresses only of private servers"
