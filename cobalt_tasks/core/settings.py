"""The one reader of the environment. Each setting is declared once, by a field of `Settings`.

The declaration holds the name of the variable, its meaning, unit, default and range; docs/settings.md is made from it.
The settings of geolocation providers follow from the registry of providers (`core.providers`).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from cobalt_tasks.core import keep_limits, own_networks, providers, setting_values, variables
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.core.providers import LOCAL, ProviderSettings
from cobalt_tasks.core.variables import Listed, Variable, password

_NETWORKS = "networks and addresses, separated by commas"
_FOR_A_URL = "the password for the URL above, if that has none; nothing in it has to be encoded"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the environment, checked."""

    home: Annotated[
        Path,
        Variable(
            name="COBALT_HOME",
            default="`~/.cobalt`",
            value="a folder",
            meaning="state: journal, SQLite, geolocation databases, logs",
        ),
    ]
    database_url: Annotated[
        str,
        Variable(
            name="COBALT_DATABASE_URL",
            default="SQLite in `COBALT_HOME`",
            value="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`",
            meaning="the database that holds the ledger",
            is_secret=True,
            companions=password("COBALT_DATABASE", _FOR_A_URL),
        ),
    ]
    broker_url: Annotated[
        str,
        Variable(
            name="COBALT_BROKER_URL",
            also="CELERY_BROKER_URL",
            default="the Redis of `cobalt up`",
            value="`redis://…`, `rediss://…`, `redis+socket:///PATH` or `sentinel://HOST:PORT;sentinel://HOST:PORT`",
            meaning="the broker; if it is not set, `CELERY_BROKER_URL` is read",
            is_secret=True,
            companions=password("COBALT_BROKER", _FOR_A_URL),
        ),
    ]
    broker_is_named: bool
    broker_master: Annotated[
        str,
        Variable(
            name="COBALT_BROKER_MASTER",
            meaning="the name of the Redis in the Sentinels of a `sentinel://` broker; the first URL there carries its"
            " password and database",
        ),
    ] = "mymaster"
    scope: Annotated[
        tuple[str, ...],
        Variable(
            name="COBALT_SCOPE",
            value=_NETWORKS + "; `own`: those of networks.toml",
            meaning="if set, only hosts in these networks are ever probed, whatever a scan found. Set and empty is an"
            " error, as is a network with bits behind its prefix (`10.0.0.1/8`)",
        ),
    ] = ()
    exclude: Annotated[
        tuple[str, ...],
        Variable(
            name="COBALT_EXCLUDE",
            value=_NETWORKS,
            meaning="networks that are never probed, in which no host is looked up in DNS or at a provider, and no DNS"
            " server and no provider is asked: a provider whose URL names an address there, and `COBALT_RESOLVERS` with"
            " servers only there, are errors",
        ),
    ] = ()
    resolvers: Annotated[
        tuple[str, ...],
        Variable(
            name="COBALT_RESOLVERS",
            default="the system's",
            value="`ADDRESS[:PORT]`, IPv6 with a port in brackets, separated by commas",
            meaning="DNS servers; private addresses are looked up only at servers with private addresses",
        ),
    ] = ()
    offline: Annotated[
        bool,
        Variable(
            name="COBALT_OFFLINE",
            meaning="use no service outside: no online provider, no download by `cobalt geodb update` and `cobalt fingerprints"
            " update`, and DNS only from"
            " the servers in `COBALT_RESOLVERS` (without them, no names are looked up)",
        ),
    ] = False
    geo_providers: Annotated[
        tuple[str, ...],
        Variable(
            name="COBALT_GEO_PROVIDERS",
            value="names, separated by commas",
            meaning="geolocation providers, in the order they are asked; one that lacks its key is off, and one of a plug-in"
            " is on only if it is named here",
        ),
    ] = msgspec.field(default_factory=providers.default_names)
    providers: tuple[ProviderSettings, ...] = ()
    tls_scan: Annotated[
        bool,
        Variable(
            name="COBALT_TLS_SCAN",
            meaning="find out in certificate jobs which versions and cipher suites of TLS a port accepts, in up to forty more"
            " handshakes",
        ),
    ] = False
    fingerprints_url: Annotated[
        str,
        Variable(
            name="COBALT_FINGERPRINTS_URL",
            value="`https://HOST/PATH`",
            meaning="where `cobalt fingerprints update` downloads recog's fingerprints: an archive (.tar.gz, .zip), or the page"
            " of the latest release of a repository on GitHub",
        ),
    ] = "https://github.com/rapid7/recog/releases/latest"
    refresh_active: Annotated[
        bool,
        Variable(
            name="COBALT_REFRESH_ACTIVE", meaning="probe banners and certificates again when they are no longer fresh"
        ),
    ] = False
    keep_connections: Annotated[KeepLimit | None, keep_limits.CONNECTIONS] = None
    keep_history: Annotated[KeepLimit | None, keep_limits.HISTORY] = None
    keep_jobs: Annotated[KeepLimit | None, keep_limits.JOBS] = None
    keep_rejects: Annotated[KeepLimit | None, keep_limits.REJECTS] = None
    keep_journals: Annotated[KeepLimit | None, keep_limits.JOURNALS] = None
    history_days: Annotated[keep_limits.Days | None, keep_limits.HISTORY_DAYS] = None
    probe_timeout: Annotated[
        float,
        Meta(gt=0, le=60),
        Variable(name="COBALT_PROBE_TIMEOUT", value="seconds", meaning="the longest time of one probe"),
    ] = 5.0
    per_host: Annotated[
        int,
        Meta(ge=1, le=1000),
        Variable(
            name="COBALT_PER_HOST",
            value="a number",
            meaning="connections to one address at a time, of all workers together",
        ),
    ] = 8
    per_network: Annotated[
        int,
        Meta(ge=1, le=100_000),
        Variable(
            name="COBALT_PER_NETWORK",
            value="a number",
            meaning="connections to one /24 of IPv4 or /48 of IPv6 at a time, of all workers together",
        ),
    ] = 256
    probe_rate: Annotated[
        float,
        Meta(ge=0, le=100_000),
        Variable(
            name="COBALT_PROBE_RATE",
            value="a number",
            meaning="connections that probes open in a second, of all workers together; 0 sets no limit",
        ),
    ] = 0.0
    user_agent: Annotated[
        str,
        Meta(pattern=r"\A[\x20-\x7e]{1,200}\Z"),
        Variable(
            name="COBALT_USER_AGENT",
            value="printable ASCII",
            meaning="how probes introduce themselves to web and SIP servers; add an address for those who wonder",
        ),
    ] = "Cobalt"
    greeting_name: Annotated[
        str,
        Meta(pattern=r"\A[A-Za-z0-9.-]{1,253}\Z"),
        Variable(
            name="COBALT_GREETING_NAME",
            value="a host name",
            meaning="the host name with which probes greet mail servers (EHLO)",
        ),
    ] = "cobalt.invalid"
    industrial: Annotated[
        bool,
        Variable(
            name="COBALT_INDUSTRIAL",
            meaning="ask industrial controllers (Modbus, S7, BACnet, EtherNet/IP, DNP3) what they are; without it, nothing is"
            " sent to their ports",
        ),
    ] = False
    snmp_community: Annotated[
        str | None,
        Variable(
            name="COBALT_SNMP_COMMUNITY",
            meaning="the community to ask SNMP agents with for their description; without it, they are only asked whether"
            " they are there (SNMPv3 discovery)",
            is_secret=True,
        ),
    ] = None
    dashboard_user: Annotated[
        str | None,
        Variable(
            name="COBALT_DASHBOARD_USER",
            meaning="the user name of the page, the API and Flower; needed where other machines reach them",
        ),
    ] = None
    dashboard_password: Annotated[
        str | None,
        Variable(
            name="COBALT_DASHBOARD_PASSWORD",
            meaning="the password of that user",
            is_secret=True,
            companions=password("COBALT_DASHBOARD", "")[1:],
        ),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...],
        Variable(
            name="COBALT_ALLOWED_HOSTS",
            value="host names without ports, separated by commas",
            meaning="names by which browsers reach this machine, such as `cobalt.example`; loopback and the address"
            " connected to are always allowed",
        ),
    ] = ()
    no_login: Annotated[
        bool,
        Variable(name="COBALT_NO_LOGIN", meaning="let other machines read page, API and Flower without a login"),
    ] = False

    @property
    def usable_providers(self) -> tuple[str, ...]:
        """The providers in the order they are asked, without those whose key is missing."""
        if self.offline:
            return tuple(name for name in self.geo_providers if name == LOCAL)
        return tuple(name for name in self.geo_providers if self._has_key(name))

    @property
    def online_providers(self) -> tuple[str, ...]:
        """The providers among them that are asked over the network."""
        return tuple(name for name in self.usable_providers if name != LOCAL)

    def provider(self, name: str) -> ProviderSettings:
        """Return the settings of one provider; without any in the environment, its defaults."""
        default = ProviderSettings(name=name, url=providers.find(name).url)
        return next((each for each in self.providers if each.name == name), default)

    def _has_key(self, name: str) -> bool:
        return providers.find(name).key_variable is None or self.provider(name).key is not None

    @property
    def redis_socket(self) -> Path:
        """The socket of the Redis that `cobalt up` starts."""
        return self.home / "redis.sock"

    @property
    def geodb_folder(self) -> Path:
        """The folder of the local geolocation databases."""
        return self.home / "geodb"

    @property
    def fingerprints_folder(self) -> Path:
        """The folder of the installed fingerprints."""
        return self.home / "fingerprints"

    @property
    def journal_folder(self) -> Path:
        """The folder that keeps bytes from pipes until the ledger has them."""
        return self.home / "journal"


VARIABLES = variables.declared(Settings)
"""The variable of each field."""

_LISTS = frozenset(variables.lists(Settings))

_URL_PASSWORDS = frozenset(
    each.name for field in ("database_url", "broker_url") for each in VARIABLES[field].companions
)
"""Variables that complete a URL; a child process gets complete URLs instead."""


def all_variables() -> Iterator[Variable]:
    """Yield every variable that `load` reads, with what to write and its default: fields, then online providers."""
    yield from variables.rows(Settings)
    for entry in providers.built_in().values():
        yield from entry.variables


def listed(environ: Mapping[str, str] | None = None) -> Iterator[Listed]:
    """Yield every variable with its value in the environment (None: that of this process)."""
    return variables.with_values(all_variables(), os.environ if environ is None else environ)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: the environment; None for that of this process.

    Raises:
        ConfigurationError: a value cannot be used; the message names the variable, never a secret's value.

    """
    environ = os.environ if environ is None else environ
    values = setting_values.urls(environ)
    for field, variable in VARIABLES.items():
        text = environ.get(variable.name, "").strip()
        if text and field not in values:
            values[field] = setting_values.split(variable.name, text) if field in _LISTS else text
    if "COBALT_SCOPE" in environ and not values.get("scope"):
        # To read it as "no scope" would probe everything a scan reported.
        raise ConfigurationError("COBALT_SCOPE is set and empty: name the networks that may be probed, or unset it")
    if isinstance(named := values.get("scope"), list):
        values["scope"] = own_networks.scope(Path(str(values["home"])), named)
    names = values.get("geo_providers", ())
    values["providers"] = [
        setting_values.provider(environ, entry)
        for entry in setting_values.provider_entries(names if isinstance(names, list) else [])
    ]
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise ConfigurationError(setting_values.name_the_variable(str(error), VARIABLES)) from None
    setting_values.check(settings)
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with what a child needs to see the same state."""
    inherited = {name: value for name, value in os.environ.items() if name not in _URL_PASSWORDS}
    return {
        **inherited,
        "COBALT_HOME": str(settings.home),
        "COBALT_DATABASE_URL": settings.database_url,
        "COBALT_BROKER_URL": settings.broker_url,
        **({"COBALT_RESOLVERS": ",".join(settings.resolvers)} if settings.resolvers else {}),
    }
