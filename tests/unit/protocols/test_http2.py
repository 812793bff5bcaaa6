"""HTTP/2: fields out of their coding, and the answer out of its frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.protocols import favicon, hpack, http2
from cobalt_tasks.protocols.base import ConnectionStatus, StartTls, Step, StepResult, Target
from cobalt_tasks.protocols.identify import HTTP2_ALPN, identify
from tests.support.peers import Answer, Peer

SETTINGS = bytes.fromhex("000006 04 00 00000000 000300000064")
DATE = b"Mon, 21 Oct 2013 20:13:2%d GMT"
LOCATION = (b"location", b"https://www.example.com")
PRIVATE = (b"cache-control", b"private")
EXAMPLES = [
    (
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        [(b":status", b"302"), PRIVATE, (b"date", DATE % 1), LOCATION],
    ),
    ("4883640effc1c0bf", [(b":status", b"307"), PRIVATE, (b"date", DATE % 1), LOCATION]),
    (
        (
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1"
            "ab270fb5291f9587316065c003ed4ee5b1063d5007"
        ),
        [
            (b":status", b"200"),
            PRIVATE,
            (b"date", DATE % 2),
            LOCATION,
            (b"content-encoding", b"gzip"),
            (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
        ],
    ),
]


def test_the_examples_of_rfc_7541() -> None:
    """Appendix C.6: three answers on one connection, with codes, and fields that the later ones take from the earlier."""
    known: list[hpack.Field] = []
    for block, fields in EXAMPLES:
        assert hpack.decode(bytes.fromhex(block), known) == fields


@given(st.binary(max_size=300))
def test_any_bytes_make_fields_and_text(raw: bytes) -> None:
    """Nothing that a server may send raises."""
    hpack.decode(raw, [])
    http2.recognise(SETTINGS + raw)
    frame = len(raw).to_bytes(3, "big") + bytes.fromhex("010400000001") + raw
    assert http2.recognise(SETTINGS + frame)


def frame(kind: int, flags: int, payload: bytes, *, stream: int = 1) -> bytes:
    """Return a frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


OK, NOT_FOUND, EARLY = b"\x88", b"\x8d", b"\x08\x03103"
SERVER = b"\x0f\x27\x09Test/1.25"
PAGE = b"<title>Page</title>"


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        (frame(1, 4, OK + SERVER) + frame(0, 1, PAGE), "200"),
        # Padded, and with a priority.
        (frame(1, 0x2C, b"\x03" + bytes(5) + OK + SERVER + bytes(3)) + frame(0, 9, b"\x02" + PAGE + bytes(2)), "200"),
        # Split over two frames, and the page too.
        (
            frame(1, 0, NOT_FOUND + SERVER[:4])
            + frame(9, 4, SERVER[4:])
            + frame(0, 0, PAGE[:8])
            + frame(0, 1, PAGE[8:]),
            "404",
        ),
        # After an early hint, and with a frame of the connection between.
        (frame(1, 4, EARLY) + frame(6, 0, bytes(8), stream=0) + frame(1, 4, OK + SERVER) + frame(0, 1, PAGE), "200"),
        # The page is cut.
        (frame(1, 4, OK + SERVER) + frame(0, 1, PAGE + bytes(999))[: 9 + len(PAGE)], "200"),
    ],
)
def test_an_answer_in_frames_shows_what_one_of_http_1_does(frames: bytes, status: str) -> None:
    """Server, status and title."""
    shown = http2.recognise(SETTINGS + frames)
    assert shown
    assert (shown.service, shown.product, shown.version, shown.info) == ("http", "Test", "1.25", "Page")
    assert shown.extras["status"] == status


@pytest.mark.parametrize("shows_settings", [True, False])
def test_a_server_of_http_2_alone_is_asked_in_it(*, shows_settings: bool) -> None:
    """Whether it answers HTTP/1.1 with its settings, or hangs up; and inside TLS that only starts for HTTP/2."""

    def answer(asked: bytes) -> Answer:
        if asked.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            return SETTINGS + frame(1, 4, OK + SERVER) + frame(0, 1, PAGE)
        return SETTINGS if shows_settings else None

    result = Peer(answer).run(identify(Target("192.0.2.1", 8080)))
    assert (result.service, result.fingerprint.product, result.fingerprint.info) == ("http", "Test", "Page")
    result = Peer(inside=Peer(answer)).run(identify(Target("192.0.2.1", 8443)))
    assert (result.service, result.fingerprint.product) == ("https", "Test")


class OnlyForHttp2(Peer):
    """A server that hangs up inside TLS on clients that do not ask for HTTP/2 there."""

    def _take(self, step: Step) -> StepResult:
        reply = super()._take(step)
        if isinstance(step, StartTls) and not set(HTTP2_ALPN) & set(step.alpn):
            self._status = ConnectionStatus.CLOSED
        return reply


def test_a_server_that_hangs_up_on_others_inside_tls_is_asked_in_http_2() -> None:
    """Also where it hangs up before anything was sent. Break: _HUNG_UP in identify."""
    answer = frame(1, 4, OK + SERVER) + frame(0, 1, PAGE)
    inside = Peer(lambda asked: SETTINGS + answer if asked.startswith(b"PRI") else None)
    result = OnlyForHttp2({b"GET ": None}, inside=inside).run(identify(Target("192.0.2.1", 31337)))
    assert (result.service, result.fingerprint.product) == ("https", "Test")


def test_redirect_and_icon_are_asked_for_in_http_2() -> None:
    """The page behind a redirect has the title, and its icon is fetched. Break: look_further in http2.ask_more."""
    moved = frame(1, 5, b"\x08\x03302" + b"\x0f\x1f\x05/app/")
    icon = frame(1, 4, OK + b"\x0f\x0d\x014") + frame(0, 1, b"icon")
    pages = {b"\x84": moved, b"\x04\x05/app/": frame(1, 4, OK) + frame(0, 1, PAGE), b"\x04\x0c/favicon.ico": icon}

    def answer(asked: bytes) -> Answer:
        block = asked[asked.index(b"\x01\x05\x00\x00\x00\x01") + 6 :] if asked.startswith(b"PRI") else b"--"
        return next((SETTINGS + page for path, page in pages.items() if block[2:].startswith(path)), None)

    shown = Peer(answer).run(identify(Target("192.0.2.1", 8080))).fingerprint
    assert (shown.service, shown.info) == ("http", "Page")
    assert favicon.digests(b"icon").items() <= shown.extras.items()


def test_the_request_names_host_and_scheme() -> None:
    """By its name, with the port where it is not the usual one; the scheme is that of the connection."""
    asked = http2.request(Target("192.0.2.1", 8080, names=("www.example.com",)))
    block = asked[asked.index(b"\x01\x05\x00\x00\x00\x01") + 6 :]
    assert (b"host" not in block, block[:3], b"www.example.com:8080" in block) == (True, b"\x82\x86\x84", True)
    assert b"\x82\x87\x84" in http2.request(Target("192.0.2.1", 443), in_tls=True)
