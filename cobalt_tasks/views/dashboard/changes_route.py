"""The route of changes."""

from typing import Annotated

import msgspec
from fastapi import FastAPI, HTTPException, Query, Request, Response

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.views import changes as views

Limit = Annotated[int, Query(ge=1, le=500, description="Rows at most.")]
Since = Annotated[float | None, Query(ge=0, le=1e11, description="Only changes recorded since, in epoch seconds.")]
Host = Annotated[str | None, Query(max_length=64, description="Only changes of this host.")]
Before = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="The `next` of the page before: older changes.")]
After = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Only newer ids, oldest first: resume at `next`.")]


def add_changes(app: FastAPI) -> None:
    """Add the route of changes to `app`."""

    @app.get("/api/changes", tags=["lists"])
    def changes(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        limit: Limit = 100,
        since: Since = None,
        host: Host = None,
        before: Before = None,
        after: After = None,
    ) -> Response:
        """Return what changed, the newest first; or with `after`, what is new behind that id, the oldest first.

        `next` is where to go on: null on the last page of a list; with `after` always an id to ask again with, since more
        may come. Changes are committed in the order of their ids, so a reader that goes on at `next` misses none.
        """
        wanted = None
        if host is not None and (wanted := canonical(host)) is None:
            raise HTTPException(422, "this is not an IP address")
        page = views.page(
            request.app.state.live.database, limit, since=since, address=wanted, before=before, after=after
        )
        return Response(msgspec.json.encode(page), media_type="application/json")
