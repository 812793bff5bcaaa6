"""Flower behind the same guards as the page: its own names, no other site's requests, the login, a browser's policy.

flowerconfig.py calls `install` when Flower reads it. A configuration of the user's own has to do the same, or Flower does
not start (celery.py): they hold however Flower is started.
"""

import base64
import secrets
import sys
from typing import Any, Final

import flower.command
from flower.app import Flower
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.options import options
from tornado.web import OutputTransform, RequestHandler

from cobalt_tasks.core import access, private_files
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings, load

_OPEN_PATHS: Final = frozenset({"/healthcheck"})
_REQUEST_SECONDS: Final = 10.0
_LONGEST_HEADER: Final = 16 * 1024
_LONGEST_BODY: Final = 1 << 20

_HEADERS: Final = {
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class GuardedFlower(Flower):  # type: ignore[misc]  # Flower has no types
    """Flower that looks at a request before any of its handlers does."""

    names: access.HostNames
    login: access.Login | None = None
    authorization: str = ""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Build Flower's application, with its options known by now; end the program if it needs a login."""
        _prepare()
        super().__init__(*arguments, **settings)
        self.add_transform(_AddedHeaders)

    def start_http_server(self) -> int | None:
        """Listen, with bounds for what a client sends; a Unix socket is this user's alone. Return the port, if any."""
        server = HTTPServer(
            self,
            ssl_options=self.ssl_options,
            xheaders=self.options.xheaders,
            # Also the time from one request's end to the end of the next one's header.
            idle_connection_timeout=_REQUEST_SECONDS,
            body_timeout=_REQUEST_SECONDS,
            max_header_size=_LONGEST_HEADER,
            max_body_size=_LONGEST_BODY,
        )
        if self.options.unix_socket:
            server.add_socket(bind_unix_socket(self.options.unix_socket, mode=0o600))
            return None
        sockets = bind_sockets(self.options.port, address=self.options.address)
        server.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        """Return what answers a request: Flower's own handler, or a refusal."""
        refusal = self._refusal(request)
        if refusal is not None:
            return self.get_handler_delegate(request, _Refusal, {"status": refusal[0], "text": refusal[1]})
        return super().find_handler(request, **options)

    def _refusal(self, request: HTTPServerRequest) -> tuple[int, str] | None:
        """Return the status and the text that refuse a request, None if it is allowed."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        hosts = request.headers.get_list("Host")
        wrong = self.names.refusal(hosts[0] if len(hosts) == 1 else None, _local_address(request))
        if wrong is not None:
            return 421, wrong
        if access.is_foreign(headers):
            return 403, access.FOREIGN_ORIGIN
        if self.login is None or request.path in _OPEN_PATHS:
            return None
        client = request.remote_ip or ""
        if self.login.is_throttled(client):
            return 429, access.THROTTLED
        if not self.login.accepts(headers.get("authorization", ""), client):
            return 401, access.UNAUTHORIZED
        # Flower compares with what it was given: a secret of this process, so that the password is not among its options.
        request.headers["Authorization"] = self.authorization
        return None


class _Refusal(RequestHandler):
    """Answers every method with one status and one line."""

    def initialize(self, status: int, text: str) -> None:
        self._status = status
        self._text = text

    def prepare(self) -> None:
        self.set_status(self._status)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if self._status == 401:  # noqa: PLR2004
            self.set_header("WWW-Authenticate", access.CHALLENGE)
        self.finish(self._text)

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed by a refusal."""


class _AddedHeaders(OutputTransform):
    """Adds the headers to every answer."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001  # Tornado's
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers.update(_HEADERS)
        headers.setdefault("Cache-Control", "no-store")
        return super().transform_first_chunk(status_code, headers, chunk, finishing)


def install() -> None:
    """Make Flower's command, which is reading its options, build a guarded application."""
    private_files.set_mask()
    flower.command.Flower = GuardedFlower


def _prepare() -> None:
    try:
        settings = load()
        _require_login(settings)
        login = access.credentials(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"cobalt: {error}\n")
        raise SystemExit(error.exit_code) from None
    GuardedFlower.names = access.HostNames(settings.allowed_hosts)
    if login is not None and not _has_own_login():
        secret = f"cobalt:{secrets.token_urlsafe(32)}"
        options.basic_auth = [secret]
        GuardedFlower.login = access.Login(*login)
        GuardedFlower.authorization = f"Basic {base64.b64encode(secret.encode()).decode()}"


def _require_login(settings: Settings) -> None:
    if options.unix_socket or _has_own_login():
        return
    if access.require_login(settings, options.address, "Flower", "COBALT_NO_LOGIN=true"):
        sys.stderr.write("cobalt: every machine that reaches Flower can use it without a login\n")


def _has_own_login() -> bool:
    return bool(options.basic_auth or options.auth)


def _local_address(request: HTTPServerRequest) -> str | None:
    stream = getattr(request.connection, "stream", None)
    if stream is None or stream.socket is None:
        return None
    name = stream.socket.getsockname()
    return str(name[0]) if isinstance(name, tuple) else None
