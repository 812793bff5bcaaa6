"""Applications by their pages, in front of which a server runs that many others use too."""

import pytest

from cobalt_tasks.protocols import recognise, web
from cobalt_tasks.protocols.base import Target
from cobalt_tasks.protocols.identify import identify
from tests.support.peers import Peer

NOTHING = b"HTTP/1.1 404 Not Found\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "page", "found"),
    [
        (
            "Server: waitress",
            'This instance is running version 2.4.2 of the\n  <a href="https://x">pypiserver</a>',
            ("pypiserver", "2.4.2"),
        ),
        ("Server: TornadoServer/6.4.2", "<title>Jupyter Server</title>", ("Jupyter Server", None)),
        ("Server: uvicorn", "<title>Streamlit</title>", ("Streamlit", None)),
        (
            "Server: Medusa/1.12",
            '<a href="http://supervisord.org">Supervisor</a> <span>4.3.0</span>',
            ("Supervisor", "4.3.0"),
        ),
        ("X-Powered-By: Express", "<title>JSON Server</title>", ("JSON Server", None)),
        ("X-Syncthing-Version: v1.19.2", "", ("Syncthing", "1.19.2")),
        ("Server: BaseHTTP/0.6 Python/3.11.2", '<link rel="icon" href="/static/hgicon.png"', ("Mercurial", None)),
        # A library inside another program is not that program, and a word is no version.
        ("Server: h2o/dnsdist", "", ("dnsdist", None)),
        ("Server: h2o/unknown", "", ("h2o", None)),
        ("Server: rclone/v1.60.1-DEV", "", ("rclone", "1.60.1-DEV")),
        # A page of none that is known: the server is all that is sure.
        ("Server: waitress", "<title>My shop</title>", ("waitress", None)),
        ("Server: Cheroot/11.1.2", "", ("Cheroot", "11.1.2")),
        # A web server of its own is no library, whatever it shows a page of.
        ("Server: nginx/1.25", "<title>Jupyter Server</title>", ("nginx", "1.25")),
    ],
)
def test_the_application_is_the_product(head: str, page: str, found: tuple[str, str | None]) -> None:
    """With its own version, never that of the server in front of it."""
    answer = f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n{page}".encode()
    shown = Peer({b"GET / ": answer, b"GET ": NOTHING}).run(identify(Target("192.0.2.1", 8080))).fingerprint
    assert (shown.product, shown.version) == found


@pytest.mark.parametrize(
    "hidden", [b"\x00", b"\x1b[31m", b"\x9b31m", "\u202e".encode(), "\u2066".encode(), "\u200f".encode()]
)
def test_a_header_with_hidden_characters_names_nothing(hidden: bytes) -> None:
    """Controls, and marks that turn the direction of writing, are no part of a name. Break: isprintable in product_of."""
    for server in (b"ng" + hidden + b"inx/1.25", b"nginx/1." + hidden + b"25"):
        shown = recognise(b"HTTP/1.1 200 OK\r\nServer: " + server + b"\r\n\r\n")
        assert (shown.service, shown.product, shown.version) == ("http", None, None)
        assert shown.extras["server"].isprintable()


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/latest/",
        "https://internal.example.com/",
        "/\\169.254.169.254/",
        "/x\rHost: internal.example.com",
        "gopher://127.0.0.1:6379/_INFO",
    ],
)
def test_redirects_lead_nowhere_else(location: str) -> None:
    """Every request goes to the host that was asked, for a path of its own."""
    moved = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode()
    peer = Peer({b"GET ": moved})
    peer.run(identify(Target("192.0.2.1", 8080)))
    heads = [sent.split(b"\r\n") for sent in peer.sent]
    assert all(head[0].startswith(b"GET /") and not head[0].startswith(b"GET //") for head in heads)
    assert all([line for line in head if line.startswith(b"Host: ")] == [b"Host: 192.0.2.1:8080"] for head in heads)


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_answers_before_the_last_one_are_left_out(status: str) -> None:
    """However many they are: the last one names the program, and is whole with its length. Break: web.final."""
    early = f"HTTP/1.1 {status}\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()
    last = b"HTTP/1.1 200 OK\r\nServer: Test/1.25\r\nContent-Length: 4\r\n\r\npage"
    shown = Peer({b"GET / ": 20 * early + last, b"GET ": NOTHING}).run(identify(Target("192.0.2.1", 8080))).fingerprint
    assert (shown.product, shown.version, shown.extras["status"]) == ("Test", "1.25", "200")
    assert web.is_complete(early + last)
    assert not web.is_complete(early)
    only = recognise(20 * early)
    assert (only.service, only.extras["status"]) == ("http", status[:3])


def test_a_redirect_of_a_library_is_followed() -> None:
    """The page behind it names the application."""
    moved = b"HTTP/1.0 302 Found\r\nServer: WSGIServer/0.2 CPython/3.11.7\r\nLocation: /.web/\r\n\r\n"
    page = b"HTTP/1.0 200 OK\r\nServer: WSGIServer/0.2 CPython/3.11.7\r\n\r\n<title>Radicale Web Interface</title>"
    peer = Peer({b"GET / ": moved, b"GET /.web/ ": page, b"GET ": NOTHING})
    shown = peer.run(identify(Target("192.0.2.1", 8080))).fingerprint
    assert (shown.product, shown.version) == ("Radicale", None)


@pytest.mark.parametrize(("last", "product"), [("/web/", "Radicale"), ("/third", "WSGIServer")])
def test_two_redirects_are_followed(last: str, product: str) -> None:
    """And no third. Break: `_MOST_REDIRECTS`."""
    head = b"HTTP/1.0 302 Found\r\nServer: WSGIServer/0.2 CPython/3.11.7\r\nLocation: %b\r\n\r\n"
    page = b"HTTP/1.0 200 OK\r\nServer: WSGIServer/0.2 CPython/3.11.7\r\n\r\n<title>Radicale Web Interface</title>"
    answers = {b"GET / ": head % b"/web", b"GET /web ": head % last.encode(), b"GET /third ": head % b"/web/"}
    peer = Peer({**answers, b"GET /web/ ": page, b"GET ": NOTHING})
    assert peer.run(identify(Target("192.0.2.1", 8080))).fingerprint.product == product


def test_an_ftp_server_that_knows_no_features() -> None:
    """A greeting in words of its own; the name of its system is FTP's."""
    refused = b"502 not implemented\r\n"
    peer = Peer({b"SYST": b"215 UNIX Type: L8\r\n", b"": refused}, greeting=b"220 welcome\r\n")
    assert peer.run(identify(Target("192.0.2.1", 2100))).service == "ftp"
    peer = Peer({b"": refused}, greeting=b"220 welcome\r\n")
    assert peer.run(identify(Target("192.0.2.1", 2100))).service is None
