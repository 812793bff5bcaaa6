"""Every route, with every method, for those who are logged in and those who are not."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import requests

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.views.dashboard.app import create_app
from cobalt_tasks.views.dashboard.pages import VIEWS
from tests.support.waiting import PATIENCE

Fill = Callable[[Database], None]
Serving = Callable[[Settings], Any]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
LOGIN = ("ann", "secret")

ROUTES = {
    "/openapi.json": "",
    "/docs": "",
    "/metrics": "",
    "/static": "/page.js",
    "/api/data": "",
    "/api/health": "",
    "/api/live": "",
    "/api/status": "",
    "/api/queues": "",
    "/api/stream": "",
    "/api/hosts": "",
    "/api/hosts/{ip}": "",
    "/api/hosts/{ip}/{part}": "",
    "/api/connections": "",
    "/api/jobs": "",
    "/api/ports": "",
    "/api/search/count": "",
    "/api/search/facets": "?fields=country",
    "/api/search/fields": "",
    "/api/search/values": "?field=service",
    "/api/changes": "",
    "/api/notes": "",
    "/api/certificates": "",
    "/api/certificates/{fingerprint}": "",
    "/api/networks": "",
    "/api/setup": "",
    "/api/export": "",
    "/api/export/formats": "",
    "/api/hosts/{ip}/traffic": "",
    "/api/overview": "",
    "/api/map": "",
    "/api/traffic": "",
    "/api/findings": "",
    "/api/findings/rules": "",
    "/api/sources": "",
    "/api/rejects": "",
    "/api/alerts": "",
    **dict.fromkeys(VIEWS, ""),
}
"""Each route, and what is behind it in a request that must be answered."""

OPEN = {"/api/health", "/api/live"}
OTHER_ANSWERS = {"/api/health": 503, "/api/certificates/{fingerprint}": 404}
"""Redis is away in these tests; of the certificate there are no bytes."""


def answered(route: str) -> str:
    """A request for a route that a filled ledger answers."""
    path = route.replace("{ip}", "198.51.100.7").replace("{part}", "ports").replace("{address}", "198.51.100.7")
    return path.replace("{fingerprint}", "00" * 32) + ROUTES[route]


@pytest.fixture
def url(sqlite_database: Database, sqlite_settings: Settings, fill: Fill, serving: Serving) -> Iterator[str]:
    """A page with a login on a filled ledger."""
    fill(sqlite_database)
    guarded = msgspec.structs.replace(sqlite_settings, dashboard_user=LOGIN[0], dashboard_password=LOGIN[1])
    with serving(guarded) as found:
        yield found


def test_the_table_has_every_route(sqlite_settings: Settings) -> None:
    """A route that is not in the table is not tried: it is added there with its module."""
    assert {route.path for route in create_app(sqlite_settings).routes} == set(ROUTES)


def test_routes_answer_those_who_may_ask(url: str) -> None:
    """Logged in, each route answers GET and HEAD, and no method that changes anything; anonymous, only the health checks do."""
    expected, found = {}, {}
    with requests.Session() as session:
        for route in ROUTES:
            for method in METHODS:
                for login in (LOGIN, None):
                    key = (route, method, login is not None)
                    options = {"auth": login, "timeout": PATIENCE, "stream": True}
                    with session.request(method, url + answered(route), **options) as answer:
                        found[key] = answer.status_code
                    is_read = method in {"GET", "HEAD"}
                    may = OTHER_ANSWERS.get(route, 200) if is_read else 405
                    expected[key] = may if login or route in OPEN else 401
    assert found == expected


def test_head_is_get_without_a_body(url: str) -> None:
    """It has the status and the headers of GET, and ends, also where GET is a stream or an export."""
    own = {"date", "etag", "content-length", "keep-alive"}
    with requests.Session() as session:
        session.auth = LOGIN
        for route in ROUTES:
            with session.get(url + answered(route), timeout=PATIENCE, stream=True) as answer:
                wanted = {name.lower(): value for name, value in answer.headers.items()}
            head = session.head(url + answered(route), timeout=PATIENCE)
            found = {name.lower(): value for name, value in head.headers.items()}
            assert head.content == b"", route
            assert found.keys() == wanted.keys(), route
            assert {name: found[name] for name in found.keys() - own} == {
                name: wanted[name] for name in wanted.keys() - own
            }, route
