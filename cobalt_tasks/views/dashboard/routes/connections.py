"""The route of connections."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.views.dashboard import answers as documents
from cobalt_tasks.views.dashboard import lists, payload
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import IN_DECIMALS, Before, Limit, json_answer, live_of
from cobalt_tasks.views.dashboard.routes.search import Mark, OptionalText, found_page


def add_connections(app: FastAPI) -> None:
    """Add the route of connections to `app`."""

    @app.get("/api/connections", tags=["lists"])
    @answers(documents.ConnectionPage)
    def connections(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        q: OptionalText = None,
        limit: Limit = 100,
        after: Mark = None,
        before: Before = None,
        seconds: Annotated[
            float | None, IN_DECIMALS, Query(gt=0, le=86400, description="Only what arrived of late.")
        ] = None,
    ) -> Response:
        """Return connections, the newest first, with what is known of their far ends by now.

        `q` searches; `before` and `seconds` then have no effect, and `after` is the `next` of the page before.
        """
        if q:
            page = found_page(request, q, Searchable.CONNECTIONS, limit, after)
            return json_answer({**page, "items": [row | payload.connection(row) for row in page["items"]]})
        return json_answer(lists.connections(live_of(request).database, limit, before, seconds))
