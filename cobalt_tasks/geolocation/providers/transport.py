"""An HTTP session that reuses connections, with answers that are bounded in time and in bytes.

The time-outs of an HTTP library are those of one read; a peer that sends a byte now and then is never late by them. Here
the whole exchange has a deadline: when it passes, the sockets of this session are shut down, and whatever read is
waiting on one of them ends.
"""

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any, ClassVar

import requests
import urllib3
from msgspec import Struct
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from cobalt_tasks.core.addresses import Scope, canonical

_CHUNK = 64 * 1024
CONNECT_SECONDS = 5.0


class Reply(Struct, frozen=True, kw_only=True):
    """An answer, whole. `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnreachableError(Exception):
    """No answer: refused, no route, no such name, or silent until the deadline."""


class BadReplyError(Exception):
    """An unusable answer: too long, broken off, or not HTTP."""


class Transport:
    """A session for one thread."""

    def __init__(self, scope: Scope | None = None) -> None:
        """Do not connect yet; never connect to an address that `scope` excludes, whatever a host's name leads to."""
        self._live: list[HTTPConnection] = []
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"cobalt-tasks/{version('cobalt-tasks')}"
        # What is packed small must not become large here.
        self._session.headers["Accept-Encoding"] = "identity"
        adapter = _Adapter(self._live, scope or Scope())
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def ask(  # noqa: PLR0913  # a request has as many parts
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        largest: int,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Make one request and read the whole answer. Redirects are not followed.

        Args:
            method: GET or POST.
            url: the URL, without parameters.
            seconds: for the whole exchange.
            largest: the longest body, in bytes.
            parameters: the query.
            headers: headers of the request.
            body: the body of the request.

        Raises:
            UnreachableError: no answer in time.
            BadReplyError: the answer cannot be used.

        """
        with self.open(method, url, seconds=seconds, parameters=parameters, headers=headers, body=body) as response:
            content = bytearray()
            for chunk in chunks(response):
                content += chunk
                if len(content) > largest:
                    raise BadReplyError(f"an answer of more than {largest} bytes")
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Reply(status=response.status_code, headers=lowered, body=bytes(content))

    @contextmanager
    def open(  # noqa: PLR0913  # a request has as many parts
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Iterator[requests.Response]:
        """Make one request; provide the answer, whose body `chunks` reads until the deadline.

        Args:
            method: GET or POST.
            url: the URL, without parameters.
            seconds: for the whole exchange.
            parameters: the query.
            headers: headers of the request.
            body: the body of the request.

        Raises:
            UnreachableError: no answer in time.
            BadReplyError: the answer cannot be used.

        """
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        response = None
        try:
            response = self._session.request(
                method,
                url,
                params=dict(parameters or {}),
                headers=dict(headers or {}),
                data=body,
                timeout=(min(seconds, CONNECT_SECONDS), seconds),
                allow_redirects=False,
                stream=True,
            )
            yield response
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _failure(error, is_late=not timer.is_alive(), is_answered=response is not None) from error
        finally:
            timer.cancel()
            if response is not None:
                response.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _cut(self) -> None:
        for connection in list(self._live):
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)


def chunks(response: requests.Response) -> Iterator[bytes]:
    """Read a body as it comes."""
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        yield chunk
    wanted = response.headers.get("Content-Length", "")
    if wanted.isdigit() and response.raw.tell() < int(wanted):
        raise BadReplyError("an answer that was broken off")


def _failure(error: Exception, *, is_late: bool, is_answered: bool) -> UnreachableError | BadReplyError:
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return UnreachableError(_reason(error)) if is_late or not is_answered else BadReplyError(_reason(error))
    return UnreachableError("no whole answer in time") if is_late else BadReplyError(_reason(error))


def _reason(error: BaseException) -> str:
    """Return one short line for what went wrong, the innermost reason there is."""
    seen: BaseException = error
    while (inner := getattr(seen, "reason", None) or seen.__cause__ or seen.__context__) and isinstance(
        inner, BaseException
    ):
        seen = inner
    if isinstance(seen, ConnectionRefusedError):
        return "connection refused"
    if isinstance(seen, TimeoutError):
        return "no answer in time"
    if isinstance(seen, socket.gaierror):
        return "its name cannot be resolved"
    line = (str(seen).splitlines() or [""])[0]
    # A URL in it may carry a key.
    return re.sub(r"\?\S*", "?…", line)[:200] or type(seen).__name__


class _Registered:
    """A connection that can be found while it waits, also before it has a response."""

    live: ClassVar[list[HTTPConnection]]
    scope: ClassVar[Scope]

    # Of the connection it is mixed into.
    _dns_host: str
    port: int

    def connect(self) -> None:
        self.live.append(self)  # type: ignore[arg-type]
        super().connect()  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        """Connect as urllib3 does; where something is excluded, to the first address of the host that is not and answers."""
        if not self.scope.excluded:
            return self._connected()
        name, failure = self._dns_host, NewConnectionError(self, "all its addresses lie in COBALT_EXCLUDE")  # type: ignore[arg-type]
        try:
            for address in self._allowed(name):
                self._dns_host = address
                try:
                    return self._connected()
                except NewConnectionError as error:
                    failure = error
        finally:
            self._dns_host = name
        raise failure

    def _connected(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        return made

    def _allowed(self, name: str) -> list[str]:
        try:
            found = socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM)
        except OSError:
            # urllib3 knows how to report that.
            return [name]
        addresses = dict.fromkeys(str(each[4][0]) for each in found)
        return [each for each in addresses if not self.scope.excludes(canonical(each) or each)]

    def close(self) -> None:
        with suppress(ValueError):
            self.live.remove(self)  # type: ignore[arg-type]
        super().close()  # type: ignore[misc]


class _Adapter(HTTPAdapter):
    def __init__(self, live: list[HTTPConnection], scope: Scope) -> None:
        self._live = live
        self._scope = scope
        super().__init__(pool_connections=4, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        plain = type("_Plain", (_Registered, HTTPConnection), {"live": self._live, "scope": self._scope})
        secure = type("_Secure", (_Registered, HTTPSConnection), {"live": self._live, "scope": self._scope})
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
