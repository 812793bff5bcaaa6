"""Checks of single settings that more than one part uses, so that a wrong one is refused before anything starts."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from cobalt_tasks.core.addresses import Scope, canonical
from cobalt_tasks.core.errors import ConfigurationError

DNS_PORT: Final = 53
_HIGHEST_PORT: Final = 65535


def resolver(text: str) -> tuple[str, int]:
    """Return the address and the port of a DNS server written ADDRESS[:PORT].

    Raises:
        ConfigurationError: it cannot be read.

    """
    host, port = (text, str(DNS_PORT)) if canonical(text) else text.rpartition(":")[::2]
    address = canonical(host)
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= len(str(_HIGHEST_PORT)) else 0
    if address is None or not 0 < number <= _HIGHEST_PORT:
        raise ConfigurationError(f"COBALT_RESOLVERS: {text!r} is no ADDRESS[:PORT]; IPv6 with a port is [ADDRESS]:PORT")
    return address, number


def require_web_url(variable: str, url: str) -> None:
    """Refuse a provider's URL that is none; the message does not quote it, as it may hold a key.

    Args:
        variable: the variable that holds it.
        url: its value.

    Raises:
        ConfigurationError: it is no http or https URL with a host.

    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{variable}: use http://HOST[:PORT] or https://HOST[:PORT]")


def excluded_resolvers(scope: Scope, servers: Sequence[str]) -> list[str]:
    """Return those of `servers` (ADDRESS[:PORT]) that `scope` excludes: no question is ever sent to them."""
    return [text for text in servers if scope.excludes(resolver(text)[0])]


def require_resolver_left(scope: Scope, servers: Sequence[str]) -> None:
    """Refuse COBALT_RESOLVERS if `scope` excludes all its `servers` (ADDRESS[:PORT]).

    Raises:
        ConfigurationError: none may be asked.

    """
    if servers and len(excluded_resolvers(scope, servers)) == len(servers):
        raise ConfigurationError("COBALT_RESOLVERS: all its servers lie in COBALT_EXCLUDE, so none may be asked")


def require_not_excluded(variable: str, url: str, scope: Scope) -> None:
    """Refuse a URL that names an excluded address.

    Args:
        variable: the variable that holds it.
        url: its value, a web URL.
        scope: with the exclusions.

    Raises:
        ConfigurationError: it names one.

    """
    address = canonical(urlsplit(url).hostname or "")
    if address and scope.excludes(address):
        raise ConfigurationError(f"{variable}: {address} lies in COBALT_EXCLUDE, so it may not be asked")


def in_words(message: str) -> str:
    """Return the message of msgspec about a value of the wrong type in words about a setting's text."""
    for found, words in (
        ("Expected `bool`, got", "use true or false"),
        ("Expected `float`, got", "this is no number"),
        ("Expected `float | null`, got", "this is no number"),
        ("Expected `float` >", "it must be a number above 0"),
        ("Expected `float` <", "this number is too large"),
    ):
        if message.startswith(found):
            return words
    return message
