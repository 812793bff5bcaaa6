"""What many routes have in common: parameters of lists with their bounds, addresses, and answers in JSON."""

import re
from typing import Annotated, Final

import msgspec
from fastapi import HTTPException, Query, Request, Response
from pydantic import BeforeValidator

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.views.dashboard.live import Live

_WHOLE: Final = re.compile(r"-?[0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _written_as(form: re.Pattern[str]) -> BeforeValidator:
    """Refuse what Python reads as a number and the description does not allow: spaces, a plus, underscores, infinity, 5.0."""

    def require(value: object) -> object:
        if isinstance(value, str) and not form.fullmatch(value):
            raise ValueError("write a number in digits")
        return value

    return BeforeValidator(require)


IN_DIGITS: Final = _written_as(_WHOLE)
"""Part of the type of each parameter that is a whole number."""

IN_DECIMALS: Final = _written_as(_NUMBER)
"""Part of the type of each other parameter that is a number."""

Limit = Annotated[int, IN_DIGITS, Query(ge=1, le=500, description="Rows at most.")]
Before = Annotated[
    int | None, IN_DIGITS, Query(ge=0, le=2**63 - 1, description="Only rows with a smaller id: the page's `next`.")
]


def address_of(text: str) -> str:
    """Return an address as the ledger has it, however it is spelled; what is none is answered with 422."""
    address = canonical(text)
    if address is None:
        raise HTTPException(422, "this is not an IP address")
    return address


def json_answer(document: object, status: int = 200) -> Response:
    """Return the answer that has a document.

    Args:
        document: of what msgspec encodes.
        status: of HTTP.

    """
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def live_of(request: Request) -> Live:
    """Return what the application of a request keeps of the ledger, Redis and the workers."""
    live: Live = request.app.state.live
    return live
