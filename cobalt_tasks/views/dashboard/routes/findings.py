"""The routes of findings."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from cobalt_tasks.hosts.finding_lists import RuleCounts
from cobalt_tasks.hosts.queries import Order
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.views import findings as views
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.overview_answers import FindingPage
from cobalt_tasks.views.dashboard.routes.parts import Limit, json_answer, live_of
from cobalt_tasks.views.dashboard.routes.search import Mark, Text

Rule = Annotated[
    str | None,
    Query(max_length=64, pattern="^[a-z0-9_]+$", description="Only hosts that this rule matched on, such as weak_key."),
]
By = Annotated[Order, Query(description="The highest score first, and only hosts with one above 0; or the last seen.")]


def add_findings(app: FastAPI) -> None:
    """Add the routes of findings to `app`."""

    @app.get("/api/findings", tags=["lists"])
    @answers(FindingPage)
    def findings(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        q: Text = "",
        rule: Rule = None,
        limit: Limit = 100,
        order: By = Order.SCORE,
        after: Mark = None,
    ) -> Response:
        """Return the hosts with findings, each with the findings themselves, those with the most points first.

        `accepted` is the note of one that is accepted and adds nothing to the score. Of more than 20 of a host, 20 are
        listed: `/api/hosts/{ip}/evidence` has all.
        """
        state = request.app.state
        by = HostOrder(order)
        page = views.page(live_of(request).database, limit, state.home, query=q, rule=rule, mark=after, order=by)
        return json_answer(page)

    @app.get("/api/findings/rules", tags=["lists"])
    @answers(RuleCounts)
    def rules(request: Request, q: Text = "") -> Response:
        """Return the rules that found something on hosts that match, with the number of these hosts.

        Exact up to 50,000 hosts that match, and for all hosts; else `exact` is false and there are more.
        """
        state = request.app.state
        return json_answer(views.by_rule(live_of(request).database, q, state.home))
