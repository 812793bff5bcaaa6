"""The route of changes."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.hosts.search.language import LONGEST
from cobalt_tasks.views import changes as views
from cobalt_tasks.views import notes as views_of_notes
from cobalt_tasks.views.dashboard.answers import ChangePage, NoteList
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import IN_DECIMALS, IN_DIGITS, Limit, address_of, json_answer, live_of

Since = Annotated[
    float | None, IN_DECIMALS, Query(ge=0, le=1e11, description="Only changes recorded since, in epoch seconds.")
]
Host = Annotated[str | None, Query(max_length=64, description="Only changes of this host.")]
Before = Annotated[
    int | None, IN_DIGITS, Query(ge=0, le=2**63 - 1, description="The `next` of the page before: older changes.")
]
After = Annotated[
    int | None, IN_DIGITS, Query(ge=0, le=2**63 - 1, description="Only newer ids, oldest first: resume at `next`.")
]


Everything = Annotated[bool, Query(alias="all", description="Also those that are over.")]
Kinds = Annotated[Sequence[str], Query(max_length=50, description="Only these kinds of changes.")]
Query_ = Annotated[
    str,
    Query(alias="q", max_length=LONGEST, description="A query, asked of the port that changed, or else of the host."),
]


def add_changes(app: FastAPI) -> None:
    """Add the route of changes to `app`."""

    @app.get("/api/notes", tags=["lists"])
    @answers(NoteList)
    def accepted(request: Request, host: Host = None, everything: Everything = False) -> Response:  # noqa: FBT002  # FastAPI passes it by name
        """Return the findings and changes that the user accepts, with reason, author and times, the newest first."""
        database = live_of(request).database
        known = views_of_notes.listed(database, None if host is None else address_of(host), everything=everything)
        return json_answer({"items": [views_of_notes.as_document(each) for each in known]})

    @app.get("/api/changes", tags=["lists"])
    @answers(ChangePage)
    def changes(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        limit: Limit = 100,
        since: Since = None,
        host: Host = None,
        kind: Kinds = (),
        query: Query_ = "",
        before: Before = None,
        after: After = None,
    ) -> Response:
        """Return what changed, the newest first; or with `after`, what is new behind that id, the oldest first.

        `next` is where to go on: null on the last page of a list; with `after` always an id to ask again with, since more
        may come. Changes are committed in the order of their ids, so a reader that goes on at `next` misses none.
        """
        wanted = None if host is None else address_of(host)
        try:
            chosen = views.ChangeFilter(since=since, address=wanted, kinds=views.checked_kinds(kind), query=query)
        except ConfigurationError as error:
            raise HTTPException(422, str(error)) from None
        state = request.app.state
        page = views.page(live_of(request).database, limit, chosen, state.home, before=before, after=after)
        return json_answer(page)
