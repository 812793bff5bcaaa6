"""The web application: every route, its parameters and their bounds."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse

from cobalt_tasks.core import access
from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.errors import CobaltError, DatabaseUnavailableError
from cobalt_tasks.core.records import State
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import peers
from cobalt_tasks.hosts.parts import PARTS, Page
from cobalt_tasks.hosts.queries import After, Filter, Order
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.jobs.lists import JobFilter
from cobalt_tasks.views import hosts, metrics
from cobalt_tasks.views.dashboard import answers as documents
from cobalt_tasks.views.dashboard import lists, payload
from cobalt_tasks.views.dashboard.certificates_route import add_certificates
from cobalt_tasks.views.dashboard.changes_route import add_changes
from cobalt_tasks.views.dashboard.description import answers, described
from cobalt_tasks.views.dashboard.export_route import add_export
from cobalt_tasks.views.dashboard.findings_route import add_findings
from cobalt_tasks.views.dashboard.heads import Heads
from cobalt_tasks.views.dashboard.live import Live
from cobalt_tasks.views.dashboard.overview_routes import add_overview
from cobalt_tasks.views.dashboard.pages import add_pages
from cobalt_tasks.views.dashboard.route_parts import IN_DIGITS, Before, Limit, address_of, json_answer
from cobalt_tasks.views.dashboard.search_routes import Mark, OptionalText, add_search, found_page
from cobalt_tasks.views.dashboard.security import (
    Admission,
    BasicAuthentication,
    HostGuard,
    SecurityHeaders,
    is_logged_in,
)
from cobalt_tasks.views.dashboard.setup_routes import add_setup
from cobalt_tasks.views.dashboard.sources_route import add_sources
from cobalt_tasks.views.dashboard.stream import EventResponse, Streams
from cobalt_tasks.views.dashboard.wire import Wire
from cobalt_tasks.views.status import SystemStatus

_DESCRIPTION = (
    "Everything Cobalt knows, read-only. Times are seconds since the Unix epoch, UTC, if nothing else is stated."
)

_SHOWN_TEXT = 1000
_WHOLE_ROWS = 10
_THREADS = 12
_HEALTH_THREADS = 3

# PostgreSQL knows no text with one.
_NO_NUL = r"^[^\x00]*$"

Changes = Annotated[bool, Query(description="Send the whole once, without connections, then what changed.")]

KindName = Annotated[str | None, Query(pattern=f"^({'|'.join(kind.name for kind in KINDS)})$")]

Ip = Annotated[
    str,
    PathParameter(
        max_length=64,
        description="An address in any spelling.",
        json_schema_extra={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
        examples=["192.0.2.10"],
    ),
]
Part = Annotated[str, PathParameter(pattern=f"^({'|'.join(PARTS)})$", description=", ".join(PARTS))]


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
    _add_documents(app)
    _add_health(app, login)
    _add_stream(app)
    _add_hosts(app)
    _add_host(app, settings)
    _add_lists(app)
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


def _add_documents(app: FastAPI) -> None:
    @app.get("/api/data", tags=["live"])
    @answers(documents.DataAnswer)
    def data(request: Request, limit: Annotated[int, IN_DIGITS, Query(ge=1, le=5000)] = 500) -> Response:
        """Return the connections of the last minute, threat zones, health, metrics and the status in one document."""
        return json_answer(_live(request).data(limit))

    @app.get("/api/status", tags=["live"])
    @answers(SystemStatus)
    def status(request: Request) -> Response:
        """Return what `cobalt status --json` prints."""
        return json_answer(_live(request).status())

    @app.get("/api/queues", tags=["live"])
    @answers(documents.QueuesAnswer)
    def queues(request: Request) -> Response:
        """Return messages, waiting jobs, age and pace of every queue, the jobs by state, and the workers."""
        state = _live(request).status()
        return json_answer(
            {"queues": state.queues, "jobs": state.jobs, "workers": state.workers, "broker": state.broker}
        )

    @app.get("/metrics", tags=["live"])
    @answers(media_types=("text/plain",))
    def prometheus(request: Request) -> Response:
        """Return the figures in Prometheus's text format."""
        body, media_type = metrics.render(_live(request).status())
        return Response(body, media_type=media_type)


def _add_health(app: FastAPI, login: access.Login | None) -> None:
    health_threads = CapacityLimiter(_HEALTH_THREADS)

    @app.get("/api/health", tags=["live"])
    @answers(documents.HealthAnswer)
    async def health(request: Request) -> Response:
        """Return "OK" while work can be done (else "DEAD" with 503), what is wrong, and the state of every component.

        Needs no password; where one is set, only a request with it gets the reasons. Ask `/api/live` whether this
        server itself answers.
        """
        # Threads of its own: it answers while every other request waits for the database.
        able, state = await to_thread.run_sync(_live(request).health, limiter=health_threads)
        if login is not None and not is_logged_in(login, request.scope):
            # They name hosts, folders and errors.
            state = msgspec.structs.replace(state, reasons=[])
        return json_answer({"status": "OK" if able else "DEAD", **msgspec.structs.asdict(state)}, 200 if able else 503)

    @app.get("/api/live", tags=["live"])
    @answers(documents.Alive)
    async def alive() -> Response:
        """Return "OK" while this server answers, whatever becomes of the work. Needs no password."""
        return json_answer({"status": "OK"})


def _add_stream(app: FastAPI) -> None:
    streams: Streams = app.state.streams

    @app.get("/api/stream", tags=["live"])
    @answers(media_types=("text/event-stream",))
    async def stream(request: Request, changes: Changes = False) -> Response:  # noqa: FBT002  # FastAPI passes it by name
        """Send the document of /api/data every two seconds as server-sent events named `data`; an event `trouble` has the
        reason if that fails.

        With `changes`, the first event is `data`, and those that follow are `change`: a list of [path, value], each of which
        is to be set in the document.
        """
        live = _live(request)
        return EventResponse(streams, live.figures if changes else live.shared_data, changes=changes)


def _add_hosts(app: FastAPI) -> None:
    @app.get("/api/hosts", tags=["lists"])
    @answers(documents.HostPage)
    def host_list(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        q: OptionalText = None,
        limit: Limit = 100,
        country: Annotated[str | None, Query(pattern="^[A-Za-z]{2}$", description="Two letters, such as NL.")] = None,
        port: Annotated[int | None, IN_DIGITS, Query(ge=0, le=65535)] = None,
        service: Annotated[str | None, Query(max_length=64, pattern=_NO_NUL, description="Such as ssh.")] = None,
        order: Annotated[
            HostOrder,
            Query(description="The last seen first; the highest score, and only hosts above 0; or the lowest address."),
        ] = HostOrder.LAST_SEEN,
        after: Annotated[
            str | None, Query(max_length=1000, description="The `next` of the page before, in the same order.")
        ] = None,
    ) -> Response:
        """Return hosts: score from 0 to 1 (null: not made yet), location, names, ports with their services.

        `note` is the reason why the list is empty: nothing is known yet, nothing is scored yet, or nothing matches. `q`
        searches; `country`, `port` and `service` then have no effect, as in the order of addresses.
        """
        if q or order is HostOrder.ADDRESS:
            page = found_page(request, q or "", Searchable.HOSTS, limit, after, order=order)
            page["note"] = None if page["items"] or after else hosts.no_match_note(_live(request).database)
        else:
            only = Filter(country=country.upper() if country else None, port=port, service=service)
            page = lists.hosts(_live(request).database, limit, only, Order(order), _after(after))
        return json_answer({**page, "items": hosts.with_sites(page["items"], request.app.state.home)})


def _add_host(app: FastAPI, settings: Settings) -> None:
    @app.get("/api/hosts/{ip}/traffic", tags=["lists"])
    @answers(peers.HostTraffic)
    def host_traffic(request: Request, ip: Ip) -> Response:
        """Return the peers of a host and its connections by day, counted over its newest 10,000 at each end.

        `sent` are connections that the host opened to the peer, `received` those that the peer opened. Not `exact`: older
        connections are not counted. `peers` is the number of different ones, of which 50 are listed.
        """
        with _live(request).database.reading() as connection:
            return json_answer(peers.of_host(connection, address_of(ip)))

    @app.get("/api/hosts/{ip}", tags=["lists"])
    @answers(documents.HostAnswer, 404)
    def host(request: Request, ip: Ip, limit: Limit = 100) -> Response:
        """Return what is known about one address: score, evidence, location, names, ports, certificates, jobs.

        Each list has at most `limit` rows; `totals` has the numbers of all, `next` where the longer lists go on. Long
        texts are cut: `cut` names those of a row. `counted` is what a piece of evidence adds to the score: a rule
        counts once, with the most points it found, and a score ends at 1. `not_checked` lists the facts and rules that
        nothing was looked at for, with the reason: only without such an entry does a rule without evidence mean that it
        found nothing.
        """
        page = Page(limit=limit, text=_SHOWN_TEXT)
        return json_answer(hosts.host(_live(request).database, address_of(ip), settings, page))

    @app.get("/api/hosts/{ip}/{part}", tags=["lists"])
    @answers(documents.PartPage, 404)
    def host_part(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        ip: Ip,
        part: Part,
        limit: Limit = 100,
        after: Mark = None,
        whole: Annotated[bool, Query(description="Cut no text; then at most 10 rows.")] = False,  # noqa: FBT002
    ) -> Response:
        """Return one list of a host page by page: its rows, their total number, and the mark of the next page."""
        page = Page(limit=min(limit, _WHOLE_ROWS)) if whole else Page(limit=limit, text=_SHOWN_TEXT)
        return json_answer(hosts.part(_live(request).database, address_of(ip), part, page, after))


def _add_lists(app: FastAPI) -> None:
    @app.get("/api/connections", tags=["lists"])
    @answers(documents.ConnectionPage)
    def connections(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        q: OptionalText = None,
        limit: Limit = 100,
        after: Mark = None,
        before: Before = None,
        seconds: Annotated[
            float | None, IN_DIGITS, Query(gt=0, le=86400, description="Only what arrived of late.")
        ] = None,
    ) -> Response:
        """Return connections, the newest first, with what is known of their far ends by now.

        `q` searches; `before` and `seconds` then have no effect, and `after` is the `next` of the page before.
        """
        if q:
            page = found_page(request, q, Searchable.CONNECTIONS, limit, after)
            return json_answer({**page, "items": [row | payload.connection(row) for row in page["items"]]})
        return json_answer(lists.connections(_live(request).database, limit, before, seconds))

    @app.get("/api/jobs", tags=["lists"])
    @answers(documents.JobPage)
    def jobs(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        limit: Limit = 100,
        before: Before = None,
        kind: KindName = None,
        state: State | None = None,
        address: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Response:
        """Return jobs, the newest first."""
        only = JobFilter(kind=kind, state=state, address=None if address is None else address_of(address))
        return json_answer(lists.jobs(_live(request).database, limit, only, before))


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


def _after(text: str | None) -> After | None:
    if text is None:
        return None
    mark, _, address = text.partition("~")
    try:
        after = After(float(mark), address)
    except ValueError:
        after = None
    if after is None or not math.isfinite(after.mark) or canonical(address) != address:
        raise HTTPException(422, "`after` is the `next` of the page before")
    return after


def _answer_error(_request: Request, error: Exception) -> Response:
    status = (
        503
        if isinstance(error, DatabaseUnavailableError)
        else 404
        if isinstance(error, hosts.UnknownHostError)
        else 500
    )
    return JSONResponse({"detail": str(error)}, status)
