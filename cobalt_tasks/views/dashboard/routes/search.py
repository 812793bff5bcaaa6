"""The routes that search: ports, counts and facets, and what may follow in a query."""

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import completion, find
from cobalt_tasks.hosts.search.facets import Count, Facets
from cobalt_tasks.hosts.search.fields import FIELDS, Field, Searchable
from cobalt_tasks.hosts.search.find import Search, SearchTooLongError
from cobalt_tasks.hosts.search.language import LONGEST, SearchError
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.views import search as views
from cobalt_tasks.views.dashboard.answers import FieldList, PortPage, ValueList
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import Limit, json_answer, live_of
from cobalt_tasks.views.page_marks import PageMarkError

Text = Annotated[
    str,
    Query(max_length=LONGEST, description="A query, such as `port:22 country:DE`; docs/search.md lists the fields."),
]
OptionalText = Annotated[str | None, Query(max_length=LONGEST, description="A query; see docs/search.md.")]
Mark = Annotated[str | None, Query(max_length=1000, description="The `next` of the page before, of the same query.")]

_NAMES = "|".join(field.name for field in FIELDS if field.facet)
FacetNames = Annotated[
    str,
    # The pattern is in the description alone: a name that is none is answered with those there are.
    Query(
        max_length=200,
        description="Such as country,port,product.",
        json_schema_extra={"pattern": f"^({_NAMES})(,({_NAMES}))*$"},
    ),
]
_COMPLETION_SECONDS = 1.0


def found_page(  # noqa: PLR0913  # a page of a search
    request: Request,
    query: str,
    target: Searchable,
    limit: int,
    after: str | None,
    *,
    order: HostOrder = HostOrder.LAST_SEEN,
) -> dict[str, Any]:
    """Return a page of what matches a query.

    Args:
        request: the request; its application has the ledger and the folder of networks.toml.
        query: the query.
        target: what to find.
        limit: rows at most.
        after: the `next` of the page before; None for the first page.
        order: of hosts, which come first.

    """
    search = _read(request, query, target)
    return views.page(_database(request), search, limit, after, order=order)


def add_search(app: FastAPI) -> None:
    """Add the routes that search to `app`."""

    @app.get("/api/ports", tags=["lists"])
    @answers(PortPage)
    def ports(request: Request, q: Text = "", limit: Limit = 100, after: Mark = None) -> Response:
        """Return ports by address and number, with their services; `q` chooses among them."""
        return json_answer(found_page(request, q, Searchable.PORTS, limit, after))

    @app.get("/api/search/count", tags=["search"])
    @answers(Count)
    def count(request: Request, q: Text = "", of: Searchable = Searchable.HOSTS) -> Response:
        """Return how many rows match: exactly up to 50,000, else `exact` is false and there are more."""
        return json_answer(views.count(_database(request), _read(request, q, of)))

    @app.get("/api/search/facets", tags=["search"])
    @answers(Facets)
    def facets(
        request: Request,
        fields: FacetNames,
        q: Text = "",
        of: Searchable = Searchable.HOSTS,
    ) -> Response:
        """Return how many rows match, and the most frequent values of fields among them."""
        return json_answer(views.facets(_database(request), _read(request, q, of), fields.split(",")))

    @app.get("/api/search/fields", tags=["search"])
    @answers(FieldList)
    def field_list() -> Response:
        """Return the fields of the search language: name, type, meaning, example, and what they apply to."""
        return json_answer({"items": [_described(field) for field in FIELDS]})

    @app.get("/api/search/values", tags=["search"])
    @answers(ValueList)
    def values(
        request: Request,
        field: Annotated[str, Query(max_length=50)],
        prefix: Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")] = "",
    ) -> Response:
        """Return values of a field that start so, to complete what is written."""
        with find.searching(_database(request), _COMPLETION_SECONDS) as connection:
            return json_answer({"items": completion.values(connection, field, prefix, 20, request.app.state.home)})

    app.add_exception_handler(SearchError, _answer_search_error)
    app.add_exception_handler(PageMarkError, _answer_mark_error)
    app.add_exception_handler(SearchTooLongError, _answer_slow_search)


def _described(field: Field) -> dict[str, object]:
    return {
        "name": field.name,
        "type": field.kind.word,
        "meaning": field.meaning,
        "example": field.example,
        "applies_to": [target.value for target in field.places],
        "facet": field.facet,
        "listed": field.listed,
    }


def _answer_search_error(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error), "column": getattr(error, "column", None)}, 422)


def _answer_mark_error(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


def _answer_slow_search(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503)


def _read(request: Request, query: str, target: Searchable) -> Search:
    return find.read(_database(request), query, target, request.app.state.home)


def _database(request: Request) -> Database:
    database: Database = live_of(request).database
    return database
