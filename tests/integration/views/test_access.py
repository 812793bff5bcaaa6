"""Who may read the page: names, origins, logins; asked over real sockets."""

import base64
import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from cobalt_tasks.core import access
from cobalt_tasks.core.settings import Settings, load
from tests.integration.views.conftest import get
from tests.support.waiting import PATIENCE

Serving = Callable[[Settings], Any]

OURS = [
    "localhost", "LOCALHOST:1", "localhost.", "localhost.:8080", "cobalt.localhost", "127.0.0.1", "127.9.9.9:80",
    "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]", "sensor.example:8080", "SENSOR.example.",
]  # fmt: skip
OTHERS = [
    "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1", "0.0.0.0",
    "[2001:db8::1]", "::1", "[::1", "[::1]x", "localhost:x", "localhost:80:80", "127.0.0.1@evil.example", "", " ",
    "sensor.example.evil.example", "evil.example/localhost", "2130706433", "127.0.0.1%00", "xn--lcalhost-r4a",
]  # fmt: skip


def ask(url: str, path: str = "/api/status", *, hosts: list[str] | None = None, **headers: str) -> int:
    """The status of a GET with exactly these headers (`sec_fetch_site` is Sec-Fetch-Site), one Host for each of `hosts`."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for host in [where.netloc] if hosts is None else hosts:
        connection.putheader("Host", host)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_only_our_own_names_are_answered(sqlite_settings: Settings, serving: Serving) -> None:
    """A page of another site whose name leads here (DNS rebinding) reads nothing: not the page, not the API, no stream."""
    named = msgspec.structs.replace(sqlite_settings, allowed_hosts=("Sensor.example",))
    with serving(named) as url:
        assert {name: ask(url, hosts=[name]) for name in OURS} == dict.fromkeys(OURS, 200)
        refused = {name: ask(url, hosts=[name]) for name in OTHERS}
        # What is no Host header at all is already refused by the parser.
        assert {name for name, status in refused.items() if status not in {400, 421}} == set()
        assert refused["evil.example"] == 421
        assert ask(url, hosts=["localhost", "evil.example"]) in {400, 421}
        for path in ("/", "/static/page.js", "/metrics", "/api/stream", "/api/health", "/openapi.json"):
            assert ask(url, path, hosts=["evil.example"]) == 421, path


def test_other_sites_cannot_ask_through_a_browser(sqlite_settings: Settings, serving: Serving) -> None:
    """What a browser sends for another site is refused, also one on another port; a link to the page works."""
    with serving(sqlite_settings) as url:
        own = url.removesuffix("/")
        assert ask(url, sec_fetch_site="same-origin") == 200
        assert ask(url, sec_fetch_site="none") == 200
        assert ask(url, origin=own) == 200
        assert ask(url, "/api/stream", sec_fetch_site="cross-site", sec_fetch_mode="no-cors") == 403
        assert ask(url, sec_fetch_site="same-site", sec_fetch_mode="cors") == 403
        assert ask(url, origin="https://evil.example") == 403
        assert ask(url, origin="null") == 403
        assert ask(url, origin="http://[") == 403
        link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
        assert ask(url, "/", **link, sec_fetch_dest="document") == 200
        assert ask(url, "/", **link, sec_fetch_dest="iframe") == 403


def test_the_reasons_of_health_need_the_login(sqlite_settings: Settings, serving: Serving) -> None:
    """What is wrong may name hosts and folders: without the password only the states are shown.

    Break: `is_logged_in` in the route of /api/health.
    """
    login = {"dashboard_user": "cobalt", "dashboard_password": "secret"}
    with serving(msgspec.structs.replace(sqlite_settings, **login)) as url:
        closed, opened = get(f"{url}/api/health"), get(f"{url}/api/health", auth=("cobalt", "secret"))
    assert (closed.status_code, closed.json()["reasons"]) == (503, [])
    assert "Redis does not answer" in opened.json()["reasons"][0]


def test_guessing_a_password_is_slowed_down(sqlite_settings: Settings, serving: Serving) -> None:
    """After ten wrong logins the address is refused for a minute, whatever it sends; the health check is not."""
    guarded = msgspec.structs.replace(sqlite_settings, dashboard_user="ann", dashboard_password="secret")
    right = "Basic " + base64.b64encode(b"ann:secret").decode()
    with serving(guarded) as url:
        assert ask(url, authorization=right) == 200
        answers = [ask(url, authorization=f"Basic {number}") for number in range(12)]
        assert answers == [401] * 10 + [429] * 2
        assert ask(url, authorization=right) == 429
        assert ask(url, "/api/live") == 200


def test_the_password_comes_from_a_file(
    sqlite_settings: Settings, serving: Serving, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COBALT_DASHBOARD_PASSWORD_FILE names a file that holds it; its last line ending is left out."""
    (tmp_path / "password").write_text("s e:cret\n")
    monkeypatch.setenv("COBALT_DASHBOARD_USER", "ann")
    monkeypatch.setenv("COBALT_DASHBOARD_PASSWORD_FILE", str(tmp_path / "password"))
    with serving(load()) as url:
        assert ask(url) == 401
        assert ask(url, authorization="Basic " + base64.b64encode(b"ann:s e:cret").decode()) == 200


@pytest.mark.parametrize(
    "addresses",
    [
        [f"127.{number}.0.{number}" for number in range(1, 12)],
        ["127.0.0.1", "::1", "::ffff:127.0.0.2", *(f"127.0.1.{number}" for number in range(1, 9))],
        [f"2001:db8:5:{number:x}::{number:x}" for number in range(1, 12)],
    ],
)
def test_one_client_with_many_addresses_is_slowed_down(addresses: list[str]) -> None:
    """All addresses of loopback are one client, and so are those of an IPv6 site; another site is another client."""
    login = access.Login("name", "password")
    for address in addresses[:10]:
        assert not login.is_throttled(address)
        assert not login.accepts("Basic d3Jvbmc6d3Jvbmc=", address)
    assert login.is_throttled(addresses[10])
    assert not login.is_throttled("2001:db8:6::1")
    assert not login.is_throttled("192.0.2.1")
