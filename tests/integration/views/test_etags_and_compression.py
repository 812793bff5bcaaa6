"""How answers travel: compressed, with ETags, and never to pages of other sites."""

import gzip
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import zstandard

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from tests.support.waiting import PATIENCE

Fill = Callable[[Database], None]
Serving = Callable[[Settings], Any]
PATH = "/api/search/fields"


def raw(url: str, path: str, **headers: str) -> requests.Response:
    """A GET with these headers alone, its body as it travelled."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    session = requests.Session()
    session.headers.clear()
    with session.get(f"{url}{path}", headers=named, timeout=PATIENCE, stream=True) as answer:
        answer._content = answer.raw.read(decode_content=False)
    session.close()
    return answer


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("GZIP;q=0.5, zstd;q=0.1", "gzip"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
        ("", None),
    ],
)
def test_the_client_chooses_how_an_answer_is_compressed(
    sqlite_settings: Settings, serving: Serving, accepted: str, coding: str | None
) -> None:
    """Whatever it accepts, the content is the same; caches are told that it depends on what was asked for."""
    unpack = {
        "gzip": gzip.decompress,
        "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    }
    with serving(sqlite_settings) as url:
        plain = raw(url, PATH)
        answer = raw(url, PATH, accept_encoding=accepted)
        page, packed_page = raw(url, "/static/page.js"), raw(url, "/static/page.js", accept_encoding=accepted)
    assert answer.headers.get("Content-Encoding") == packed_page.headers.get("Content-Encoding") == coding
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    for whole, packed in ((plain, answer), (page, packed_page)):
        assert (unpack[coding](packed.content) if coding else packed.content) == whole.content
    if coding:
        assert len(answer.content) < len(plain.content) / 2


def test_who_has_the_answer_gets_none_of_it_again(
    sqlite_database: Database, sqlite_settings: Settings, fill: Fill, serving: Serving
) -> None:
    """304 without a body for its ETag, in any coding; the whole for another, and after a change."""
    with serving(sqlite_settings) as url:
        first = raw(url, "/api/hosts")
        tag = first.headers["ETag"]
        for asked in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
            again = raw(url, "/api/hosts", if_none_match=asked, accept_encoding="gzip")
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag), asked
        assert raw(url, "/api/hosts", if_none_match='W/"x"').status_code == 200
        page = raw(url, "/static/page.js", accept_encoding="gzip")
        assert page.headers["ETag"].startswith("W/")
        assert raw(url, "/static/page.js", if_none_match=page.headers["ETag"]).status_code == 304
        fill(sqlite_database)
        changed = raw(url, "/api/hosts", if_none_match=tag)
        assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
        missing = raw(url, "/api/hosts/192.0.2.99", if_none_match="*")
        assert missing.status_code == 404


def test_a_stream_is_neither_compressed_nor_held_back(sqlite_settings: Settings, serving: Serving) -> None:
    """Its first event arrives as it is, though the client would accept gzip. Break: _STREAM in etags_and_compression.py."""
    with serving(sqlite_settings) as url:
        where = urlsplit(url)
        with socket.create_connection((where.hostname or "", where.port or 80), PATIENCE) as connection:
            connection.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
            received = b""
            while b"event: data" not in received:
                received += connection.recv(65536)
    assert b"content-encoding" not in received.lower()


def test_no_page_of_another_site_may_read_an_answer(sqlite_settings: Settings, serving: Serving) -> None:
    """CORS is off: no answer allows another origin, and a preflight is refused."""
    with serving(sqlite_settings) as url:
        own = f"http://{urlsplit(url).netloc}"
        for origin in (own, "https://evil.example", "null"):
            ask = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            for method in ("GET", "OPTIONS"):
                answer = requests.request(method, f"{url}/api/hosts", headers=ask, timeout=PATIENCE)
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]
                assert answer.status_code == (405 if method == "OPTIONS" else 200) or origin != own
