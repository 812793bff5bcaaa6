"""The web application: its routes, what they share, and the layers that each request passes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from cobalt_tasks.core import access
from cobalt_tasks.core.errors import CobaltError, DatabaseUnavailableError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.views import hosts
from cobalt_tasks.views.dashboard.description import described
from cobalt_tasks.views.dashboard.etags_and_compression import Wire
from cobalt_tasks.views.dashboard.head_requests import Heads
from cobalt_tasks.views.dashboard.live import Live
from cobalt_tasks.views.dashboard.pages import add_pages
from cobalt_tasks.views.dashboard.routes.certificates import add_certificates
from cobalt_tasks.views.dashboard.routes.changes import add_changes
from cobalt_tasks.views.dashboard.routes.connections import add_connections
from cobalt_tasks.views.dashboard.routes.export import add_export
from cobalt_tasks.views.dashboard.routes.findings import add_findings
from cobalt_tasks.views.dashboard.routes.hosts import add_hosts
from cobalt_tasks.views.dashboard.routes.jobs import add_jobs
from cobalt_tasks.views.dashboard.routes.live import add_live
from cobalt_tasks.views.dashboard.routes.overview import add_overview
from cobalt_tasks.views.dashboard.routes.search import add_search
from cobalt_tasks.views.dashboard.routes.setup import add_setup
from cobalt_tasks.views.dashboard.routes.sources import add_sources
from cobalt_tasks.views.dashboard.security import (
    Admission,
    BasicAuthentication,
    HostGuard,
    SecurityHeaders,
)
from cobalt_tasks.views.dashboard.stream import Streams

_DESCRIPTION = (
    "Everything Cobalt knows, read-only. Times are seconds since the Unix epoch, UTC, if nothing else is stated."
)

_THREADS = 12


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it starts without a ledger too, and then answers with the reason.

    Raises:
        ConfigurationError: the name or the password for the page is missing.

    """
    credentials = access.credentials(settings)
    login = access.Login(*credentials) if credentials else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Fewer than the database has connections for: some are left for the health check.
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        app.state.live = Live(Database(settings.database_url), settings)
        app.state.live.begin()
        yield
        app.state.live.close()

    app = FastAPI(
        title="Cobalt", description=_DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan, version="1"
    )
    app.state.home = settings.home
    app.state.streams = Streams()
    app.state.has_login = login is not None
    add_live(app, login)
    add_hosts(app, settings)
    add_connections(app)
    add_jobs(app)
    add_search(app)
    add_changes(app)
    add_certificates(app)
    add_overview(app)
    add_findings(app)
    add_sources(app)
    add_export(app)
    add_setup(app, settings)
    add_pages(app)
    described(app)
    app.add_exception_handler(CobaltError, _answer_error)
    _add_layers(app, settings, login)
    return app


def _add_layers(app: FastAPI, settings: Settings, login: access.Login | None) -> None:
    # The last added is the first asked.
    app.add_middleware(Wire)
    app.add_middleware(Heads)
    if login:
        app.add_middleware(BasicAuthentication, login=login)
    app.add_middleware(HostGuard, names=access.HostNames(settings.allowed_hosts))
    app.add_middleware(Admission)
    app.add_middleware(SecurityHeaders)


def _answer_error(_request: Request, error: Exception) -> Response:
    status = (
        503
        if isinstance(error, DatabaseUnavailableError)
        else 404
        if isinstance(error, hosts.UnknownHostError)
        else 500
    )
    return JSONResponse({"detail": str(error)}, status)
