"""Values of settings that need more than their type: those that depend on each other, lists, and messages about them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cobalt_tasks.core import checked_values, private_files, providers, service_urls
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.providers import ProviderSettings
from cobalt_tasks.core.variables import Variable

if TYPE_CHECKING:
    from cobalt_tasks.core.settings import Settings


def urls(environ: Mapping[str, str]) -> dict[str, object]:
    """Return the values that depend on several variables."""
    home = Path(environ.get("COBALT_HOME") or Path.home() / ".cobalt").expanduser().absolute()
    private_files.require_own_folder(home)
    own_broker = f"redis+socket://{home / 'redis.sock'}"
    broker = service_urls.broker_url(environ, own_broker)
    return {
        "home": str(home),
        "database_url": service_urls.database_url(environ, f"sqlite:///{home / 'cobalt.db'}"),
        "broker_url": broker,
        "broker_is_named": broker != own_broker,
        "dashboard_password": service_urls.password(environ, "COBALT_DASHBOARD_PASSWORD") or None,
    }


def provider_entries(named: list[str]) -> list[providers.ProviderEntry]:
    """Return Cobalt's own providers and those of plug-ins that are named."""
    entries = dict(providers.built_in())
    for name in named:
        try:
            entries[name] = providers.find(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"COBALT_GEO_PROVIDERS: {error}") from error
    return list(entries.values())


def provider(environ: Mapping[str, str], entry: providers.ProviderEntry) -> ProviderSettings:
    """Return the settings of a provider.

    Args:
        environ: the environment.
        entry: its entry in the registry.

    """
    url = environ.get(entry.url_variable or "", "").strip() or entry.url
    key = environ.get(entry.key_variable or "", "").strip() or None
    if entry.url_variable:
        checked_values.require_web_url(entry.url_variable, url)
    return ProviderSettings(name=entry.name, url=url, key=key)


def check(settings: "Settings") -> None:
    """Check the values that depend on each other.

    Raises:
        ConfigurationError: one cannot be used.

    """
    scope = Scope(settings.scope, settings.exclude)
    for server in settings.resolvers:
        checked_values.resolver(server)
    checked_values.require_resolver_left(scope, settings.resolvers)
    checked_values.require_web_url("COBALT_FINGERPRINTS_URL", settings.fingerprints_url)
    for name in settings.online_providers:
        variable = providers.find(name).url_variable
        checked_values.require_not_excluded(variable or name, settings.provider(name).url, scope)


def split(variable: str, text: str) -> list[str]:
    """Return the parts of a list.

    Args:
        variable: its name, for the message.
        text: the parts, separated by commas.

    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts and variable == "COBALT_EXCLUDE":
        raise ConfigurationError(f"{variable}: {text!r} names no network")
    return parts


def name_the_variable(message: str, declared: Mapping[str, Variable]) -> str:
    """Return the message of msgspec about a field as one about its variable.

    Args:
        message: the message.
        declared: the variable of each field.

    """
    for field, variable in declared.items():
        if f"$.{field}" in message:
            return f"{variable.name}: {checked_values.in_words(message.split(' - at ', maxsplit=1)[0])}"
    return message
