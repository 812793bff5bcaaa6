"""The routes of what goes on now: the document of the page, the status, queues, metrics, health, and the stream of all that."""

from typing import Annotated

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Query, Request, Response

from cobalt_tasks.core import access
from cobalt_tasks.views import metrics
from cobalt_tasks.views.dashboard import answers as documents
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import IN_DIGITS, json_answer, live_of
from cobalt_tasks.views.dashboard.security import is_logged_in
from cobalt_tasks.views.dashboard.stream import EventResponse, Streams
from cobalt_tasks.views.status import SystemStatus

_HEALTH_THREADS = 3

Changes = Annotated[bool, Query(description="Send the whole once, without connections, then what changed.")]


def add_live(app: FastAPI, login: access.Login | None) -> None:
    """Add the routes of what goes on now to `app`; `login` is what the page asks for, None for nothing."""
    _add_documents(app)
    _add_health(app, login)
    _add_stream(app)


def _add_documents(app: FastAPI) -> None:
    @app.get("/api/data", tags=["live"])
    @answers(documents.DataAnswer)
    def data(request: Request, limit: Annotated[int, IN_DIGITS, Query(ge=1, le=5000)] = 500) -> Response:
        """Return the connections of the last minute, threat zones, health, metrics and the status in one document."""
        return json_answer(live_of(request).data(limit))

    @app.get("/api/status", tags=["live"])
    @answers(SystemStatus)
    def status(request: Request) -> Response:
        """Return what `cobalt status --json` prints."""
        return json_answer(live_of(request).status())

    @app.get("/api/queues", tags=["live"])
    @answers(documents.QueuesAnswer)
    def queues(request: Request) -> Response:
        """Return messages, waiting jobs, age and pace of every queue, the jobs by state, and the workers."""
        state = live_of(request).status()
        return json_answer(
            {"queues": state.queues, "jobs": state.jobs, "workers": state.workers, "broker": state.broker}
        )

    @app.get("/metrics", tags=["live"])
    @answers(media_types=("text/plain",))
    def prometheus(request: Request) -> Response:
        """Return the figures in Prometheus's text format."""
        body, media_type = metrics.render(live_of(request).status())
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
        able, state = await to_thread.run_sync(live_of(request).health, limiter=health_threads)
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
        live = live_of(request)
        return EventResponse(streams, live.figures if changes else live.shared_data, changes=changes)
