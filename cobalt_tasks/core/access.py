"""Who may read the page, the API and Flower: login, names of this machine, origins. Free of any web framework."""

import base64
import binascii
import hmac
import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings

CHALLENGE: Final = 'Basic realm="Cobalt", charset="UTF-8"'
UNAUTHORIZED: Final = "Cobalt asks for a name and a password.\n"
THROTTLED: Final = "Too many failed logins from this address: wait a minute.\n"
FOREIGN_ORIGIN: Final = "Another site asked for this: open the page itself.\n"
NO_LOGIN: Final = (
    "{service} would be open to other machines on {host}: set COBALT_DASHBOARD_USER and COBALT_DASHBOARD_PASSWORD, "
    "or allow it with {switch}"
)

_ATTEMPTS: Final = 10
_WINDOW_SECONDS: Final = 60.0
_CLIENTS: Final = 1024
_LONGEST_HOST: Final = 255 + len(":65535")
_IPV6_SITE: Final = 48
"""Bits of what one site gets at the most (RFC 6177)."""


def credentials(settings: Settings) -> tuple[str, str] | None:
    """Return the name and password to ask for, or None when neither is set. There is no default password.

    Raises:
        ConfigurationError: only one of the two is set, or the name holds a colon.

    """
    user, password = settings.dashboard_user, settings.dashboard_password
    if user is None and password is None:
        return None
    if not user or not password:
        raise ConfigurationError("set both COBALT_DASHBOARD_USER and COBALT_DASHBOARD_PASSWORD, or neither")
    if ":" in user:
        raise ConfigurationError("COBALT_DASHBOARD_USER: a name cannot hold a colon (RFC 7617)")
    return user, password


def is_loopback(host: str) -> bool:
    """Return whether every address that a name or an address to listen on stands for is this machine's loopback.

    An empty name, 0.0.0.0 and :: are all addresses; a name that cannot be resolved is not loopback.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM) if host else []
    except (OSError, UnicodeError):
        return False
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    return bool(addresses) and all(_plain(address).is_loopback for address in addresses)


def require_login(settings: Settings, host: str, service: str, switch: str, *, no_login: bool = False) -> bool:
    """Return whether a server on `host` is open to other machines without a login, which must be wanted.

    Args:
        settings: they hold the login.
        host: the name or address the server listens on.
        service: what the server is called in the message, for example "the page".
        switch: how the user allows it, for example "--no-login".
        no_login: the user allowed it.

    Raises:
        ConfigurationError: it would be open, and this was not allowed; or half a login is set.

    """
    if credentials(settings) is not None or is_loopback(host):
        return False
    if not (no_login or settings.no_login):
        raise ConfigurationError(NO_LOGIN.format(service=service, host=host or "all addresses", switch=switch))
    return True


class HostNames:
    """The names and addresses that a request may have for this server: with any other, a browser was misled (DNS rebinding)."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Allow loopback, the address a connection came to, and these names (without ports)."""
        self._names = frozenset(name.strip().lower().strip("[]").rstrip(".") for name in names)

    def refusal(self, host: str | None, local_address: str | None) -> str | None:
        """Return why a request is refused, in one line, or None if it is not.

        Args:
            host: the Host header; None if it is missing, or comes several times.
            local_address: the address of this machine that the client connected to, if known.

        """
        name = _host_name(host) if host is not None else None
        if name is not None and self._is_ours(name, local_address):
            return None
        shown = "no single name" if name is None else ascii(name[:80])
        return f"This server does not answer to {shown}: add its name to COBALT_ALLOWED_HOSTS.\n"

    def _is_ours(self, name: str, local_address: str | None) -> bool:
        if name in self._names or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            address = _plain(ipaddress.ip_address(name))
            return address.is_loopback or (
                local_address is not None and address == _plain(ipaddress.ip_address(local_address.partition("%")[0]))
            )
        except ValueError:
            return False


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Return whether a browser sent a request on behalf of another site; following a link to a page is allowed.

    Args:
        headers: looked up by lower-case name.

    """
    site = headers.get("sec-fetch-site", "")
    if site in {"cross-site", "same-site"}:
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "") == "document"
        return not is_link
    origin = headers.get("origin")
    if origin is None or site in {"same-origin", "none"}:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:
        return True


class Login:
    """Checks HTTP Basic credentials (RFC 7617) in constant time, and slows down clients that guess."""

    def __init__(self, user: str, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Expect one `user` and one `password`. `clock`: seconds, never stepped; tests replace it."""
        self._expected = f"{user}:{password}".encode()
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def is_throttled(self, client: str) -> bool:
        """Return whether an address failed ten times within a minute; its next request is refused unread."""
        since, count = self._failures.get(_network(client), (0.0, 0))
        return count >= _ATTEMPTS and self._clock() - since < _WINDOW_SECONDS

    def accepts(self, authorization: str, client: str) -> bool:
        """Return whether a request holds the login; a wrong one counts against its address.

        authorization: the Authorization header, empty when it is missing; client: the address it came from.
        """
        if not authorization:
            return False
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            given = b""
        # Takes as long for a wrong first letter as for a wrong last one.
        if hmac.compare_digest(given, self._expected):
            self._failures.pop(_network(client), None)
            return True
        self._count(_network(client))
        return False

    def _count(self, network: str) -> None:
        now = self._clock()
        since, count = self._failures.pop(network, (now, 0))
        if now - since >= _WINDOW_SECONDS:
            since, count = now, 0
        self._failures[network] = (since, count + 1)
        while len(self._failures) > _CLIENTS:
            self._failures.popitem(last=False)


def _host_name(host: str) -> str | None:
    """Return the name or address in a Host header without its port, in lower case; None if it is malformed."""
    host = host.strip()
    if not host or len(host) > _LONGEST_HOST:
        return None
    if host.startswith("["):
        name, closed, port = host[1:].partition("]")
        port = port.removeprefix(":") if not port or port.startswith(":") else "x"
        if not closed or ":" not in name:
            return None
    else:
        name, _, port = host.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return None
    name = name.lower()
    return (name.removesuffix(".") or None) if name.isascii() and name.isprintable() else None


def _network(client: str) -> str:
    """Return what counts as one client: an IPv4 address, an IPv6 network of one site, or all of loopback."""
    try:
        address = _plain(ipaddress.ip_address(client.partition("%")[0]))
    except ValueError:
        return ""
    if address.is_loopback:
        # Any local user has all of its sixteen million addresses.
        return "loopback"
    if address.version == 4:  # noqa: PLR2004
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address
