"""Checks around every request: the name it was sent to, the site it comes from, the login, a bound on how many run at once,
and headers that restrict browsers.
"""

from collections import Counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cobalt_tasks.core import access

OPEN_PATHS = frozenset({"/api/health", "/api/live"})
"""What a health check may ask without a password: states and ages, and nothing that was found."""

UNCOUNTED_PATHS = OPEN_PATHS | {"/api/stream"}
"""Streams have bounds of their own."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Adds the headers to every answer; what is not marked otherwise is not kept by caches."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and an answer back."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostGuard:
    """Answers only requests for this server's own names, and none that a browser sends for another site."""

    def __init__(self, app: ASGIApp, names: access.HostNames) -> None:
        """Wrap the application `app`; `names`: the host names it answers to."""
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it: 421 for a wrong name, 403 for another site."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        server = scope.get("server")
        refusal = self._names.refusal(hosts[0] if len(hosts) == 1 else None, server[0] if server else None)
        if refusal is not None:
            await PlainTextResponse(refusal, 421)(scope, receive, send)
        elif access.is_foreign(headers):
            await PlainTextResponse(access.FOREIGN_ORIGIN, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_logged_in(login: access.Login, scope: Scope) -> bool:
    """Return whether a request has the name and the password; one without any is not counted as a guess.

    login: name and password; scope: the request's ASGI scope.
    """
    authorization, client = Headers(scope=scope).get("authorization"), client_of(scope)
    return authorization is not None and not login.is_throttled(client) and login.accepts(authorization, client)


class BasicAuthentication:
    """Lets in only requests with the name and the password."""

    def __init__(self, app: ASGIApp, login: access.Login) -> None:
        """Wrap the application `app`; `login`: the name and the password."""
        self._app = app
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or ask for the password."""
        client = client_of(scope)
        if scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
        elif self._login.is_throttled(client):
            await PlainTextResponse(access.THROTTLED, 429, {"Retry-After": "60"})(scope, receive, send)
        elif self._login.accepts(Headers(scope=scope).get("authorization", ""), client):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(access.UNAUTHORIZED, 401, {"WWW-Authenticate": access.CHALLENGE})(
                scope, receive, send
            )


class Admission:
    """Bounds the requests that run at once, in all and for one client; the health check and streams are not counted."""

    def __init__(self, app: ASGIApp, most: int = 96, most_of_one: int = 48) -> None:
        """Wrap the application `app`. `most`: requests at once; `most_of_one`: those of one client address."""
        self._app = app
        self._most = most
        self._most_of_one = most_of_one
        self._running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 503 at once."""
        if scope["type"] == "lifespan" or scope["path"] in UNCOUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        client = client_of(scope)
        if self._running.total() >= self._most or self._running[client] >= self._most_of_one:
            await PlainTextResponse("Too many requests at once: try again soon.\n", 503, {"Retry-After": "2"})(
                scope, receive, send
            )
            return
        self._running[client] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]


def client_of(scope: Scope) -> str:
    """Return the address a request came from; an empty text if it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""
