"""Around every request: HTTP Basic authentication (RFC 7617) when it is set up, and headers that tie a browser's hands."""

import base64
import binascii
import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cobalt_tasks.errors import ConfigurationError
from cobalt_tasks.settings import Settings

OPEN_PATHS = frozenset({"/api/health"})
"""What a health check may ask without a password: it tells states and ages, nothing of what was found."""

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


class BasicAuthentication:
    """Lets nobody in without the name and the password."""

    def __init__(self, app: ASGIApp, user: str, password: str) -> None:
        """Wrap an application."""
        self._app = app
        self._expected = f"{user}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or ask for the password."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._knows(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        challenge = {"WWW-Authenticate": 'Basic realm="Cobalt", charset="UTF-8"'}
        await PlainTextResponse("Cobalt asks for a name and a password.\n", 401, challenge)(scope, receive, send)

    def _knows(self, headers: Headers) -> bool:
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        # Takes as long for a wrong first letter as for a wrong last one.
        return hmac.compare_digest(given, self._expected)


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
