"""The page itself: one document, shown at the address of each of its views; the browser decides what it shows."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

STATIC: Final = Path(__file__).parent / "static"

VIEWS: Final = (
    "/",
    "/hosts",
    "/hosts/{address}",
    "/connections",
    "/changes",
    "/certificates",
    "/findings",
    "/sources",
    "/system",
)
"""The addresses of the views: static/registry.js has their modules."""


def add_pages(app: FastAPI) -> None:
    """Add the page, the documentation of the API, and the files they need to `app`."""
    for path in VIEWS:
        app.add_api_route(path, _page(STATIC / "index.html"), include_in_schema=False)
    app.add_api_route("/docs", _page(STATIC / "docs.html"), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _page(file: Path) -> Callable[[], Awaitable[FileResponse]]:
    async def page() -> FileResponse:
        return FileResponse(file, headers={"Cache-Control": "no-cache"})

    return page
