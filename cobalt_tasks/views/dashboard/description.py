"""The OpenAPI description: what FastAPI knows of parameters, and what every route answers, by types of our own."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cobalt_tasks.views.dashboard.answers import Problem
from cobalt_tasks.views.dashboard.security import OPEN_PATHS

Function = TypeVar("Function", bound=Callable[..., Any])

_PLAIN: Final = {"text/plain": {"schema": {"type": "string"}}}
_REFUSALS: Final = {
    "401": "A name and a password are needed.",
    "403": "A browser asks for another site.",
    "421": "The request is for another host name.",
    "429": "Too many wrong passwords: try again in a minute.",
}
_OF_FASTAPI: Final = {"HTTPValidationError", "ValidationError"}
_ATTRIBUTE: Final = "__cobalt_answers__"
_SCHEMAS: Final[dict[type, dict[str, Any]]] = {object: {"description": "Any value."}}
"""Of types that msgspec has no schema of."""


class Answers(msgspec.Struct, frozen=True):
    """What a route answers: a type, or media types; and statuses beside those that every route has."""

    document: Any = None
    media_types: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()


def answers(document: Any = None, *statuses: int, media_types: tuple[str, ...] = ()) -> Callable[[Function], Function]:
    """Describe what a route answers; it stands below the decorator of its path.

    Args:
        document: the type of its JSON document; None where it answers something else.
        statuses: of problems that it answers beside 422 and 503.
        media_types: of what it answers that is no JSON.

    """

    def mark(function: Function) -> Function:
        setattr(function, _ATTRIBUTE, Answers(document, media_types, statuses))
        return function

    return mark


def described(app: FastAPI) -> None:
    """Make `app` describe its answers in /openapi.json, and answer wrong parameters as every other problem.

    Raises:
        TypeError: a route has no `answers`.

    """
    known = {route.path: _answers_of(route) for route in _api_routes(app)}

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, known)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this way
    app.add_exception_handler(RequestValidationError, _answer_wrong_parameters)


def _answer_wrong_parameters(_request: Request, error: Exception) -> Response:
    """Return 422 with one sentence for each parameter that cannot be used."""
    errors = error.errors() if isinstance(error, RequestValidationError) else ()
    parts = [f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in errors]
    return JSONResponse({"detail": "; ".join(parts)}, 422)


def _api_routes(app: FastAPI) -> Iterator[APIRoute]:
    """Yield the routes of `app` that its description has."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield route


def _answers_of(route: APIRoute) -> Answers:
    found: Answers | None = getattr(route.endpoint, _ATTRIBUTE, None)
    if found is None:
        raise TypeError(f"{route.path} needs @answers below the decorator of its path")
    return found


def _document(app: FastAPI, known: dict[str, Answers]) -> dict[str, Any]:
    """Return the description of `app`; known: what the route of each path answers."""
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    types = [each.document for each in known.values() if each.document is not None]
    schemas, components = msgspec.json.schema_components(
        [*types, Problem], schema_hook=_SCHEMAS.__getitem__, ref_template="#/components/schemas/{name}"
    )
    problem, schema_of = schemas[-1], iter(schemas)
    for path, each in known.items():
        schema = None if each.document is None else next(schema_of)
        for operation in found["paths"][path].values():
            operation["responses"] = _responses(path, each, schema, problem)
    # FastAPI's own are of parameters, and of its answer to wrong ones, which is ours.
    of_parameters = found.get("components", {}).get("schemas", {})
    kept = {name: schema for name, schema in of_parameters.items() if name not in _OF_FASTAPI}
    found["components"] = {"schemas": {**kept, **components}}
    if app.state.has_login:
        found["components"]["securitySchemes"] = {"login": {"type": "http", "scheme": "basic"}}
        for path in known.keys() - OPEN_PATHS:
            found["paths"][path]["get"]["security"] = [{"login": []}]
    return found


def _responses(path: str, answer: Answers, schema: Any, problem: Any) -> dict[str, Any]:
    # Text of our own making, or files whose formats others describe.
    content: dict[str, Any] = {
        name: {"schema": {} if "json" in name else {"type": "string"}} for name in answer.media_types
    }
    if schema is not None:
        content["application/json"] = {"schema": schema}
    reported = {"application/json": {"schema": problem}}
    responses: dict[str, Any] = {
        "200": {"description": "What was asked for.", "content": content},
        "304": {"description": "The client has it: its If-None-Match names the present ETag."},
        "422": {"description": "A parameter cannot be used.", "content": reported},
        "503": {
            "description": "The database does not answer, or too much is asked at once.",
            "content": {**reported, **_PLAIN},
        },
    }
    for status in answer.statuses:
        responses[str(status)] = {"description": "There is no such thing.", "content": reported}
    if path in OPEN_PATHS:
        responses["503"]["content"] = {**content, **_PLAIN}
    for number, text in _REFUSALS.items():
        responses[number] = {"description": text, "content": _PLAIN}
    return dict(sorted(responses.items()))
