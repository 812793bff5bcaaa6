"""The routes of sources and of what was refused."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from cobalt_tasks.views.dashboard import lists
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.overview_answers import RejectPage, SourcePage
from cobalt_tasks.views.dashboard.routes.parts import IN_DIGITS, Before, Limit, json_answer, live_of

Source = Annotated[
    int | None, IN_DIGITS, Query(ge=0, le=2**63 - 1, description="Only those of the source with this id.")
]


def add_sources(app: FastAPI) -> None:
    """Add the routes of sources to `app`."""

    @app.get("/api/sources", tags=["lists"])
    @answers(SourcePage)
    def sources(request: Request, limit: Limit = 100, before: Before = None) -> Response:
        """Return sources, the newest first: read = accepted + duplicates + rejected + ignored."""
        return json_answer(lists.sources(live_of(request).database, limit, before))

    @app.get("/api/rejects", tags=["lists"])
    @answers(RejectPage)
    def rejects(request: Request, limit: Limit = 100, source: Source = None, before: Before = None) -> Response:
        """Return the records that were refused, the newest first: where each stood in its source, and the reason."""
        return json_answer(lists.rejects(live_of(request).database, limit, source, before))
