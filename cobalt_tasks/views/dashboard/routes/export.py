"""The route of exports: what a list shows, in any format, streamed."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.hosts.exports import TABLES, TableRows, read_query, stream
from cobalt_tasks.hosts.search.language import SearchError
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.overview_answers import FormatList
from cobalt_tasks.views.dashboard.routes.changes import Kinds, Since
from cobalt_tasks.views.dashboard.routes.findings import Rule
from cobalt_tasks.views.dashboard.routes.parts import json_answer, live_of
from cobalt_tasks.views.dashboard.routes.search import Text
from cobalt_tasks.views.dashboard.routes.sources import Source
from cobalt_tasks.views.exports.options import ExportOptions
from cobalt_tasks.views.exports.registry import FORMATS, ExportFormat

AT_ONCE: Final = 4
"""Exports that run at once; one more is refused."""

_END: Final = object()

Table = Annotated[str, Query(pattern=f"^({'|'.join(TABLES)})$", description=", ".join(TABLES))]
Format = Annotated[str, Query(alias="format", pattern=f"^({'|'.join(FORMATS)})$", description=", ".join(FORMATS))]
Columns = Annotated[
    str, Query(max_length=1000, description="Only these, such as address,score; only where a format is of columns.")
]

InUse = Annotated[bool, Query(description="Only where a port is open and has no newer certificate instead.")]
Order = Annotated[HostOrder | None, Query(description="Of hosts, as /api/hosts has it: by score, only those above 0.")]


def add_export(app: FastAPI) -> None:
    """Add the routes of exports to `app`."""
    exports = _Exports()

    @app.get("/api/export", tags=["exports"], response_class=Response)
    @answers(media_types=tuple(dict.fromkeys(each.media_type for each in FORMATS.values())))
    async def export(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        table: Table = "hosts",
        form: Format = "csv",
        q: Text = "",
        columns: Columns = "",
        since: Since = None,
        kind: Kinds = (),
        rule: Rule = None,
        in_use: InUse = False,  # noqa: FBT002
        source: Source = None,
        order: Order = None,
    ) -> Response:
        """Return all rows of a table that match as a file, as `cobalt export` writes it, piece by piece.

        `since` and `kind` narrow changes alone, `rule` findings, `in_use` certificates, `source` rejects. An export that fails half-way ends
        without its last chunk, which clients report. More than 4 at once are refused with 503.
        """
        names = [name.strip() for name in columns.split(",") if name.strip()]
        chosen = FORMATS[form]

        def open_pieces() -> Iterator[Any]:
            database, home = live_of(request).database, request.app.state.home
            asked = read_query(database, table, q, home)
            wanted = _Wanted(since=since, kinds=kind, rule=rule, in_use=in_use, source=source)
            rows = _narrowed(stream(database, table, asked, order), wanted)
            return chosen.chunks(rows.only(names) if names and chosen.is_tabular else rows, ExportOptions(home=home))

        return await exports.start(open_pieces, chosen.media_type, f"cobalt-{table}{chosen.extension}")

    @app.get("/api/export/formats", tags=["exports"])
    @answers(FormatList)
    def formats() -> Response:
        """Return the formats of exports: what reads each, the tables it holds, and whether columns can be chosen."""
        return json_answer({"items": list(map(_described, FORMATS.values()))})


def _described(form: ExportFormat) -> dict[str, Any]:
    return {
        "name": form.name,
        "media_type": form.media_type,
        "extension": form.extension,
        "summary": form.summary,
        "tables": list(form.tables),
        "columns": form.is_tabular,
    }


class _Wanted(Struct, frozen=True):
    """Which rows of a table are wanted, None or empty: all.

    Attributes:
        since: changes recorded at this time (epoch seconds) or later.
        kinds: of changes.
        rule: that found a finding.
        in_use: only certificates where a port shows them still.
        source: the id of the source of a refused record.

    """

    since: float | None
    kinds: Sequence[str]
    rule: str | None
    in_use: bool
    source: int | None


def _narrowed(rows: TableRows, wanted: _Wanted) -> TableRows:
    """Return only the changes, findings, certificates or rejects that are wanted; rows of other tables stay."""
    since, source = wanted.since, wanted.source
    if rows.table == "changes" and since is not None:
        rows = rows.where("recorded_at", lambda recorded: recorded >= since)
    if rows.table == "changes" and wanted.kinds:
        rows = rows.where("kind", set(wanted.kinds).__contains__)
    if rows.table == "findings" and wanted.rule is not None:
        rows = rows.where("rule", wanted.rule.__eq__)
    if rows.table == "certificates" and wanted.in_use:
        rows = rows.where("in_use", bool)
    if rows.table == "rejects" and source is not None:
        rows = rows.where("source_id", source.__eq__)
    return rows


class _Exports:
    """The exports that run; their rows are read by threads of their own, so that pages do not wait for them."""

    def __init__(self) -> None:
        self._threads = CapacityLimiter(AT_ONCE)
        self._running = 0

    async def start(self, open_pieces: Callable[[], Iterator[Any]], media_type: str, file: str) -> Response:
        """Return the answer once its first piece was made: what is wrong with the request is known by then.

        Args:
            open_pieces: returns the pieces, texts or bytes; it runs in a thread.
            media_type: of the answer.
            file: the name under which a browser keeps it.

        """
        if self._running >= AT_ONCE:
            raise HTTPException(503, f"{AT_ONCE} exports run already: try again soon", {"Retry-After": "5"})
        self._running += 1
        try:
            pieces = await to_thread.run_sync(open_pieces, limiter=self._threads)
            first = await self._next(pieces)
        except BaseException as error:
            self.release()
            if isinstance(error, ConfigurationError) and not isinstance(error, SearchError):
                raise HTTPException(422, str(error)) from None
            raise
        headers = {"Content-Disposition": f'attachment; filename="{file}"'}
        return _ExportResponse(self, self._pieces(pieces, first), headers=headers, media_type=media_type)

    def release(self) -> None:
        """Count one export less."""
        self._running -= 1

    async def _pieces(self, pieces: Iterator[Any], piece: Any) -> AsyncIterator[bytes]:
        while piece is not _END:
            yield piece.encode() if isinstance(piece, str) else piece
            piece = await self._next(pieces)

    async def _next(self, pieces: Iterator[Any]) -> Any:
        return await to_thread.run_sync(next, pieces, _END, limiter=self._threads)


class _ExportResponse(StreamingResponse):
    """An answer that is counted until it has ended, or its connection is gone."""

    def __init__(self, exports: _Exports, body: AsyncIterator[bytes], **options: Any) -> None:
        super().__init__(body, **options)
        self._exports = exports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._exports.release()
