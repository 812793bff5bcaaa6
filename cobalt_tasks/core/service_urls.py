"""URLs of the database and the broker: checked, and completed with a password that is kept apart from them.

No message here quotes a URL: it may hold a password.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from cobalt_tasks.core.errors import ConfigurationError

BROKER_FORMS = (
    "redis://:PASSWORD@HOST:PORT/NUMBER, rediss://…, redis+socket:///FILE or sentinel://HOST:PORT;sentinel://HOST:PORT"
)
_DATABASE_FORMS = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
_BROKER_SCHEMES = frozenset({"redis", "rediss", "redis+socket", "sentinel"})
_DATABASE_SCHEMES = frozenset({"sqlite", "postgresql", "postgres", "postgresql+psycopg"})
_TLS_OPTIONS = {
    "ssl_cert_reqs": frozenset({"none", "optional", "required"}),
    "ssl_check_hostname": frozenset({"true", "false"}),
    "ssl_ca_certs": None,
    "ssl_certfile": None,
    "ssl_keyfile": None,
}
"""What may stand behind the ? of rediss:// (its values, None: any): what Celery and redis-py both know."""
_LONGEST_PASSWORD = 4096
_HOST_PART = "its host or port cannot be read; encode / # ? @ : % in its password, or set {password} instead"


def database_url(environ: Mapping[str, str], default: str) -> str:
    """Return the database's URL with its password.

    Args:
        environ: the environment to read.
        default: the URL to use if none is set; it gets no password.

    Raises:
        ConfigurationError: the URL or the file with the password cannot be used.

    """
    url = environ.get("COBALT_DATABASE_URL", "").strip()
    if not url:
        return default
    parts = _parts(url, "COBALT_DATABASE_URL", _DATABASE_SCHEMES, _DATABASE_FORMS)
    if parts.scheme == "sqlite":
        if parts.netloc or parts.path.lstrip("/") in {"", ":memory:"}:
            # In memory it would be another ledger for each process.
            raise ConfigurationError(f"COBALT_DATABASE_URL: use {_DATABASE_FORMS}")
        return url
    _check_host(parts, "COBALT_DATABASE_URL", "COBALT_DATABASE_PASSWORD")
    return _with_password(url, parts, password(environ, "COBALT_DATABASE_PASSWORD"))


def broker_url(environ: Mapping[str, str], default: str) -> str:
    """Return the broker's URL with its password; several URLs of Sentinels are separated by semicolons.

    Args:
        environ: the environment to read.
        default: the URL to use if none is set; it gets no password.

    Raises:
        ConfigurationError: a URL or the file with the password cannot be used.

    """
    variable = next(
        (name for name in ("COBALT_BROKER_URL", "CELERY_BROKER_URL") if environ.get(name, "").strip()), None
    )
    if variable is None:
        return default
    url = environ[variable].strip()
    urls = url.split(";") if url.startswith("sentinel:") else [url]
    parts = [_parts(each, variable, _BROKER_SCHEMES, BROKER_FORMS) for each in urls]
    for part in parts:
        _check_host(part, variable, "COBALT_BROKER_PASSWORD")
        _check_broker(part, variable)
    first = _with_password(urls[0], parts[0], password(environ, "COBALT_BROKER_PASSWORD"))
    return ";".join([first, *urls[1:]])


def _parts(url: str, variable: str, schemes: frozenset[str], forms: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{variable}: this is no URL; use {forms}") from None
    if parts.scheme not in schemes or "://" not in url:
        raise ConfigurationError(f"{variable}: use {forms}")
    return parts


def _check_host(parts: SplitResult, variable: str, password: str) -> None:
    """Raise ConfigurationError if a character of the password ended the host's part of the URL too early."""
    try:
        is_whole = parts.port is None or parts.port > 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query + parts.fragment:
        raise ConfigurationError(f"{variable}: {_HOST_PART.format(password=password)}")


def _check_broker(parts: SplitResult, variable: str) -> None:
    """Raise ConfigurationError for a URL of Redis that Celery or redis-py would fail on later, with a traceback."""
    path = parts.path.removeprefix("/")
    is_socket = parts.scheme == "redis+socket"
    if (not path or parts.hostname) if is_socket else not path.isascii() or not (path or "0").isdecimal():
        raise ConfigurationError(f"{variable}: use {BROKER_FORMS}")
    if not parts.query:
        return
    options = parse_qsl(parts.query, keep_blank_values=True) if parts.scheme == "rediss" else []
    if not options or any(
        name not in _TLS_OPTIONS or value not in (_TLS_OPTIONS[name] or {value}) for name, value in options
    ):
        known = ", ".join(f"{name}={'|'.join(sorted(values or {'FILE'}))}" for name, values in _TLS_OPTIONS.items())
        raise ConfigurationError(f"{variable}: behind a ? there may be options of rediss:// alone: {known}")


def _with_password(url: str, parts: SplitResult, password: str) -> str:
    """Return the URL, with a password encoded into it if it has none of its own."""
    if parts.password or not password:
        return url
    scheme, rest = url.split("://", 1)
    user, _, host = parts.netloc.rpartition("@")
    path = rest.removeprefix(parts.netloc)
    return f"{scheme}://{user.removesuffix(':')}:{quote(password, safe='')}@{host}{path}"


def password(environ: Mapping[str, str], variable: str) -> str:
    """Return a password from its variable, else from the file that VARIABLE_FILE names, else an empty one.

    Args:
        environ: the environment to read.
        variable: the name of the variable.

    Raises:
        ConfigurationError: the file cannot be read, or is empty.

    """
    if found := environ.get(variable):
        return found
    file = environ.get(f"{variable}_FILE", "").strip()
    if not file:
        return ""
    try:
        with Path(file).open(encoding="utf-8") as opened:
            found = opened.read(_LONGEST_PASSWORD).strip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"{variable}_FILE: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}_FILE: {file} is not text in UTF-8") from None
    if not found:
        raise ConfigurationError(f"{variable}_FILE: {file} is empty")
    return found
