"""What many routes have in common: parameters of lists with their bounds, addresses, and answers in JSON."""

from typing import Annotated

import msgspec
from fastapi import HTTPException, Query, Response

from cobalt_tasks.core.addresses import canonical

Limit = Annotated[int, Query(ge=1, le=500, description="Rows at most.")]
Before = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Only rows with a smaller id: the page's `next`.")]


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
