"""The routes of the overview and of the map."""

import time
from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Query, Request, Response

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.hosts import time_spans
from cobalt_tasks.hosts.map_cells import Box
from cobalt_tasks.views import overview as views
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.overview_answers import OverviewAnswer, TrafficAnswer
from cobalt_tasks.views.dashboard.routes.parts import IN_DECIMALS, IN_DIGITS, json_answer, live_of

_MOST_SPANS = 1500

South = Annotated[float, IN_DECIMALS, Query(ge=-90, le=90, description="Degrees, as the other three sides.")]
West = Annotated[float, IN_DECIMALS, Query(ge=-180, le=180)]
Zoom = Annotated[int, IN_DIGITS, Query(ge=0, le=6, description="0: clusters of 11 degrees; each level halves them.")]
Hours = Annotated[float, IN_DECIMALS, Query(gt=0, le=24 * 366, description="Of how many hours up to now.")]
Moment = Annotated[float | None, IN_DECIMALS, Query(ge=0, le=1e11, description="Epoch seconds.")]


def add_overview(app: FastAPI) -> None:
    """Add the routes to `app`."""
    _add_map(app)
    _add_traffic(app)

    @app.get("/api/overview", tags=["overview"])
    @answers(OverviewAnswer)
    def overview(request: Request, hours: Hours = 24) -> Response:
        """Return the short lists of the overview: the countries with most hosts and connections, the riskiest hosts with
        their reasons, what changed within the last `hours`, and the certificates that expire within 30 days.
        """
        state = request.app.state
        return json_answer(views.short_lists(live_of(request).database, state.home, hours))


def _add_map(app: FastAPI) -> None:
    @app.get("/api/map", tags=["overview"])
    @answers(views.Map)
    def world(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        south: South = -90,
        west: West = -180,
        north: South = 90,
        east: West = 180,
        zoom: Zoom = 0,
        hours: Hours = 24,
    ) -> Response:
        """Return where the located hosts are, in at most 500 clusters; the own sites; and the connections between these and
        countries within the last `hours`.

        The site '' is all hosts outside of own networks; the country `??` is unknown. Connections are counted once their
        hosts were looked up: some seconds after they arrived, an hour at most.
        """
        if south > north or west > east:
            raise HTTPException(422, "`south` must not be above `north`, nor `west` east of `east`")
        box = Box(south=south, west=west, north=north, east=east)
        state = request.app.state
        return json_answer(views.world(live_of(request).database, state.home, box, zoom, hours))


def _add_traffic(app: FastAPI) -> None:
    @app.get("/api/traffic", tags=["overview"])
    @answers(TrafficAnswer)
    def traffic(
        request: Request,
        span: Literal["minute", "hour", "day"] = "hour",
        since: Moment = None,
        until: Moment = None,
        by: views.By = "protocol",
    ) -> Response:
        """Return the connections that arrived within each minute, hour or day, by protocol, country or own site.

        Default: the last 24 hours, as counted when they were stored. Minutes are kept for two days; countries and sites are
        counted by hour (kept for a month) and day.
        """
        until = time.time() if until is None else until
        since = until - DAY if since is None else since
        if since > until:
            raise HTTPException(422, "`since` must not be later than `until`")
        if (until - since) / time_spans.LENGTHS[span] > _MOST_SPANS:
            raise HTTPException(422, f"these are more than {_MOST_SPANS} spans: ask for longer ones, or for less time")
        if span == "minute" and by != "protocol":
            raise HTTPException(422, "by country or site, connections are counted by hour and day")
        return json_answer(views.traffic(live_of(request).database, span, since, until, by))
