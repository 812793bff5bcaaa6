"""The one reader of the environment.

Every setting has a default that works on a laptop; docs/settings.md lists them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from cobalt_tasks.core import checked_values, private_files, service_urls
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError

LOCAL_PROVIDER = "mmdb"
PROVIDER_URLS = {"ip-api": "ipapi_url", "ipinfo": "ipinfo_url", "ipgeolocation": "ipgeolocation_url"}
"""The fields of the settings that hold the base URLs of online providers."""

PROVIDERS = (LOCAL_PROVIDER, *PROVIDER_URLS)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment says, checked. Lists are comma-separated there."""

    home: Path
    database_url: str
    broker_url: str
    broker_is_named: bool
    broker_master: str = "mymaster"
    scope: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    geo_providers: tuple[str, ...] = PROVIDERS
    ipapi_url: str = "http://ip-api.com"
    ipinfo_url: str = "https://ipinfo.io"
    ipgeolocation_url: str = "https://api.ipgeolocation.io"
    ipinfo_token: str | None = None
    ipgeolocation_api_key: str | None = None
    offline: bool = False
    refresh_active: bool = False
    history_days: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 30.0
    probe_timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    dashboard_user: str | None = None
    dashboard_password: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    no_login: bool = False

    @property
    def usable_providers(self) -> tuple[str, ...]:
        """The providers in the order they are asked, without those whose key is missing."""
        if self.offline:
            return tuple(name for name in self.geo_providers if name == LOCAL_PROVIDER)
        keys = {"ipinfo": self.ipinfo_token, "ipgeolocation": self.ipgeolocation_api_key}
        return tuple(name for name in self.geo_providers if keys.get(name, "none needed"))

    @property
    def online_providers(self) -> tuple[str, ...]:
        """The providers among them that are asked over the network."""
        return tuple(name for name in self.usable_providers if name != LOCAL_PROVIDER)

    @property
    def redis_socket(self) -> Path:
        """The socket of the Redis that `cobalt up` starts."""
        return self.home / "redis.sock"

    @property
    def geodb_folder(self) -> Path:
        """Where the local geolocation databases lie."""
        return self.home / "geodb"

    @property
    def journal_folder(self) -> Path:
        """Where bytes from pipes are kept until the ledger has them."""
        return self.home / "journal"


_NAMES = {
    "broker_master": "COBALT_BROKER_MASTER",
    "scope": "COBALT_SCOPE",
    "exclude": "COBALT_EXCLUDE",
    "resolvers": "COBALT_RESOLVERS",
    "geo_providers": "COBALT_GEO_PROVIDERS",
    "ipapi_url": "COBALT_IPAPI_URL",
    "ipinfo_url": "COBALT_IPINFO_URL",
    "ipgeolocation_url": "COBALT_IPGEOLOCATION_URL",
    "ipinfo_token": "IPINFO_TOKEN",
    "ipgeolocation_api_key": "IPGEOLOCATION_API_KEY",
    "offline": "COBALT_OFFLINE",
    "refresh_active": "COBALT_REFRESH_ACTIVE",
    "history_days": "COBALT_HISTORY_DAYS",
    "probe_timeout": "COBALT_PROBE_TIMEOUT",
    "dashboard_user": "COBALT_DASHBOARD_USER",
    "allowed_hosts": "COBALT_ALLOWED_HOSTS",
    "no_login": "COBALT_NO_LOGIN",
}
_LISTS = frozenset({"scope", "exclude", "resolvers", "geo_providers", "allowed_hosts"})


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: a value cannot be used; the message names the variable, never a secret's value.

    """
    environ = os.environ if environ is None else environ
    home = Path(environ.get("COBALT_HOME") or Path.home() / ".cobalt").expanduser().absolute()
    private_files.require_own_folder(home)
    own_broker = f"redis+socket://{home / 'redis.sock'}"
    broker = service_urls.broker_url(environ, own_broker)
    values: dict[str, object] = {
        "home": str(home),
        "database_url": service_urls.database_url(environ, f"sqlite:///{home / 'cobalt.db'}"),
        "broker_url": broker,
        "broker_is_named": broker != own_broker,
        "dashboard_password": service_urls.password(environ, "COBALT_DASHBOARD_PASSWORD") or None,
    }
    for field, variable in _NAMES.items():
        if text := environ.get(variable, "").strip():
            values[field] = _split(variable, text) if field in _LISTS else text
    if "COBALT_SCOPE" in environ and not values.get("scope"):
        # To read it as "no scope" would probe everything a scan reported.
        raise ConfigurationError("COBALT_SCOPE is set and empty: name the networks that may be probed, or unset it")
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise ConfigurationError(_name_the_variable(str(error))) from None
    for name in settings.geo_providers:
        if name not in PROVIDERS:
            message = f"COBALT_GEO_PROVIDERS: there is no provider {name!r}; there are {', '.join(PROVIDERS)}"
            raise ConfigurationError(message)
    scope = Scope(settings.scope, settings.exclude)
    for server in settings.resolvers:
        checked_values.resolver(server)
    checked_values.require_resolver_left(scope, settings.resolvers)
    for provider, field in PROVIDER_URLS.items():
        url = getattr(settings, field)
        checked_values.require_web_url(_NAMES[field], url)
        if provider in settings.online_providers:
            checked_values.require_not_excluded(_NAMES[field], url, scope)
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with what a child needs to see the same state."""
    inherited = {name: value for name, value in os.environ.items() if name not in service_urls.PASSWORDS}
    return {
        **inherited,
        "COBALT_HOME": str(settings.home),
        "COBALT_DATABASE_URL": settings.database_url,
        "COBALT_BROKER_URL": settings.broker_url,
        **({"COBALT_RESOLVERS": ",".join(settings.resolvers)} if settings.resolvers else {}),
    }


def _split(variable: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts and variable == "COBALT_EXCLUDE":
        raise ConfigurationError(f"{variable}: {text!r} names no network")
    return parts


def _name_the_variable(message: str) -> str:
    for field, variable in _NAMES.items():
        if f"$.{field}" in message:
            return f"{variable}: {checked_values.in_words(message.split(' - at ', maxsplit=1)[0])}"
    return message
