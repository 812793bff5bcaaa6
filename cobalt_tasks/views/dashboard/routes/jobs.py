"""The route of jobs."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.records import State
from cobalt_tasks.jobs.lists import JobFilter
from cobalt_tasks.views.dashboard import answers as documents
from cobalt_tasks.views.dashboard import lists
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import Before, Limit, address_of, json_answer, live_of

KindName = Annotated[str | None, Query(pattern=f"^({'|'.join(kind.name for kind in KINDS)})$")]


def add_jobs(app: FastAPI) -> None:
    """Add the route of jobs to `app`."""

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
        return json_answer(lists.jobs(live_of(request).database, limit, only, before))
