"""What the settings of this process mean, in words for an operator, without any secret."""

from msgspec import Struct

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.access import credentials
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.geolocation import privacy

_NAMES = 5


class InForce(Struct, frozen=True, kw_only=True):
    """One thing that is set: what it is about, and what holds, in words."""

    about: str
    text: str


def in_words(settings: Settings) -> list[InForce]:
    """Return what holds: what is probed and looked up, who is asked, which networks are own, whether there is a login."""
    asked = [each.partition(": ") for each in privacy.in_words(settings)]
    return [
        InForce(about="Scope", text=Scope(settings.scope, settings.exclude).in_words()),
        *(InForce(about=f"Asked {about}", text=text) for about, _, text in asked),
        InForce(about="Geolocation providers", text=_providers(settings)),
        InForce(about="Services outside", text=_offline(settings)),
        InForce(about="Own networks", text=_own_networks(settings)),
        InForce(about="Known ports", text=_refresh(settings)),
        InForce(about="Login", text="asked for" if credentials(settings) else "none: who reaches the page may read it"),
    ]


def _providers(settings: Settings) -> str:
    lacking = [name for name in settings.geo_providers if name not in settings.usable_providers]
    why = "COBALT_OFFLINE is set" if settings.offline else "without a key"
    off = f"; off ({why}): {', '.join(lacking)}" if lacking else ""
    return (", then ".join(settings.usable_providers) or "none") + off


def _offline(settings: Settings) -> str:
    if settings.offline:
        return "not used: COBALT_OFFLINE is set"
    return "may be used: COBALT_OFFLINE is not set"


def _own_networks(settings: Settings) -> str:
    try:
        described = own_networks.load(settings.home).described
    except ConfigurationError as error:
        return str(error)
    if not described:
        return f"none is named: there is no {own_networks.FILE}"
    names = [f"{network} ({each.name})" for network, each in described.items()]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _refresh(settings: Settings) -> str:
    if settings.refresh_active:
        return "probed again when what is known is no longer fresh"
    return "not probed again when what is known is old: COBALT_REFRESH_ACTIVE is not set"
