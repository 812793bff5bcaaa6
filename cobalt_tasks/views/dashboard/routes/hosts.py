"""The routes of hosts: their list, and of one what is known about it, its traffic, and each of its lists."""

import math
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.hosts import peers
from cobalt_tasks.hosts.parts import PARTS, Page
from cobalt_tasks.hosts.queries import After, Filter, Order
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.views import hosts
from cobalt_tasks.views.dashboard import answers as documents
from cobalt_tasks.views.dashboard import lists
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import IN_DIGITS, Limit, address_of, json_answer, live_of
from cobalt_tasks.views.dashboard.routes.search import Mark, OptionalText, found_page

_SHOWN_TEXT = 1000
_WHOLE_ROWS = 10

# PostgreSQL knows no text with one.
_NO_NUL = r"^[^\x00]*$"

Ip = Annotated[
    str,
    PathParameter(
        max_length=64,
        description="An address in any spelling.",
        json_schema_extra={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
        examples=["192.0.2.10"],
    ),
]
Part = Annotated[str, PathParameter(pattern=f"^({'|'.join(PARTS)})$", description=", ".join(PARTS))]


def add_hosts(app: FastAPI, settings: Settings) -> None:
    """Add the routes of hosts to `app`; what is looked at depends on `settings`."""
    _add_list(app)
    _add_host(app, settings)


def _add_list(app: FastAPI) -> None:
    @app.get("/api/hosts", tags=["lists"])
    @answers(documents.HostPage)
    def host_list(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        q: OptionalText = None,
        limit: Limit = 100,
        country: Annotated[str | None, Query(pattern="^[A-Za-z]{2}$", description="Two letters, such as NL.")] = None,
        port: Annotated[int | None, IN_DIGITS, Query(ge=0, le=65535)] = None,
        service: Annotated[str | None, Query(max_length=64, pattern=_NO_NUL, description="Such as ssh.")] = None,
        order: Annotated[
            HostOrder,
            Query(description="The last seen first; the highest score, and only hosts above 0; or the lowest address."),
        ] = HostOrder.LAST_SEEN,
        after: Annotated[
            str | None, Query(max_length=1000, description="The `next` of the page before, in the same order.")
        ] = None,
    ) -> Response:
        """Return hosts: score from 0 to 1 (null: not made yet), location, names, ports with their services.

        `note` is the reason why the list is empty: nothing is known yet, nothing is scored yet, or nothing matches. `q`
        searches; `country`, `port` and `service` then have no effect, as in the order of addresses.
        """
        if q or order is HostOrder.ADDRESS:
            page = found_page(request, q or "", Searchable.HOSTS, limit, after, order=order)
            page["note"] = None if page["items"] or after else hosts.no_match_note(live_of(request).database)
        else:
            only = Filter(country=country.upper() if country else None, port=port, service=service)
            page = lists.hosts(live_of(request).database, limit, only, Order(order), _after(after))
        return json_answer({**page, "items": hosts.with_sites(page["items"], request.app.state.home)})


def _add_host(app: FastAPI, settings: Settings) -> None:
    @app.get("/api/hosts/{ip}/traffic", tags=["lists"])
    @answers(peers.HostTraffic)
    def host_traffic(request: Request, ip: Ip) -> Response:
        """Return the peers of a host and its connections by day, counted over its newest 10,000 at each end.

        `sent` are connections that the host opened to the peer, `received` those that the peer opened. Not `exact`: older
        connections are not counted. `peers` is the number of different ones, of which 50 are listed.
        """
        with live_of(request).database.reading() as connection:
            return json_answer(peers.of_host(connection, address_of(ip)))

    @app.get("/api/hosts/{ip}", tags=["lists"])
    @answers(documents.HostAnswer, 404)
    def host(request: Request, ip: Ip, limit: Limit = 100) -> Response:
        """Return what is known about one address: score, evidence, location, names, ports, certificates, jobs.

        Each list has at most `limit` rows; `totals` has the numbers of all, `next` where the longer lists go on. Long
        texts are cut: `cut` names those of a row. `counted` is what a piece of evidence adds to the score: a rule
        counts once, with the most points it found, and a score ends at 1. `not_checked` lists the facts and rules that
        nothing was looked at for, with the reason: only without such an entry does a rule without evidence mean that it
        found nothing.
        """
        page = Page(limit=limit, text=_SHOWN_TEXT)
        return json_answer(hosts.host(live_of(request).database, address_of(ip), settings, page))

    @app.get("/api/hosts/{ip}/{part}", tags=["lists"])
    @answers(documents.PartPage, 404)
    def host_part(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        ip: Ip,
        part: Part,
        limit: Limit = 100,
        after: Mark = None,
        whole: Annotated[bool, Query(description="Cut no text; then at most 10 rows.")] = False,  # noqa: FBT002
    ) -> Response:
        """Return one list of a host page by page: its rows, their total number, and the mark of the next page."""
        page = Page(limit=min(limit, _WHOLE_ROWS)) if whole else Page(limit=limit, text=_SHOWN_TEXT)
        return json_answer(hosts.part(live_of(request).database, address_of(ip), part, page, after))


def _after(text: str | None) -> After | None:
    if text is None:
        return None
    mark, _, address = text.partition("~")
    try:
        after = After(float(mark), address)
    except ValueError:
        after = None
    if after is None or not math.isfinite(after.mark) or canonical(address) != address:
        raise HTTPException(422, "`after` is the `next` of the page before")
    return after
