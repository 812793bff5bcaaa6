"""Providers and their settings, for tests."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.providers import ProviderSettings
from cobalt_tasks.core.settings import Settings


def at(make: Callable[..., Any], url: str, key: str | None = None, scope: Scope | None = None) -> Any:
    """Make a provider that asks `url`, with a key if there is one."""
    return make(ProviderSettings(name="", url=url, key=key), scope or Scope())


def with_provider(settings: Settings, name: str, url: str | None = None, key: str | None = None) -> Settings:
    """Return settings with another base URL of a provider, or its key."""
    own = settings.provider(name)
    others = tuple(each for each in settings.providers if each.name != name)
    return replace(settings, providers=(*others, replace(own, url=url or own.url, key=key)))
