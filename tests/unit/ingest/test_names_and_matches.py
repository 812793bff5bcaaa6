"""zdns and nuclei: names of addresses, and the ports where a template matched."""

from typing import Any

import pytest

from tests.support.reading import Row, about, lines, names, ports, read, services


def rr(owner: str, kind: str, answer: str) -> Row:
    """Return one answer of the DNS."""
    return {"name": owner, "type": kind, "answer": answer, "class": "IN", "ttl": 300}


def result(**data: Any) -> Row:
    """Return what was answered to one question."""
    return {"data": {"resolver": "192.0.2.53:53", **data}, "status": "NOERROR", "timestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("is_first", [True, False], ids=["version 1", "version 2"])
@pytest.mark.parametrize(
    ("asked", "data", "expected"),
    [
        (
            "www.example.com",
            {"answers": [rr("www.example.com", "CNAME", "a.example.com."), rr("a.example.com", "A", "192.0.2.10")]},
            {("192.0.2.10", "www.example.com"), ("192.0.2.10", "a.example.com")},
        ),
        (
            "192.0.2.11",
            {"answers": [rr("11.2.0.192.in-addr.arpa", "PTR", "mail.example.com.")]},
            {("192.0.2.11", "mail.example.com")},
        ),
        (
            "example.com",
            {"ipv4_addresses": ["192.0.2.12"], "ipv6_addresses": ["2001:db8::12"]},
            {("192.0.2.12", "example.com"), ("2001:db8::12", "example.com")},
        ),
        (
            "example.com",
            {"exchanges": [{"name": "mx.example.com", "ipv4_addresses": ["192.0.2.13"], "preference": 1}]},
            {("192.0.2.13", "mx.example.com")},
        ),
    ],
    ids=["A", "PTR", "ALOOKUP", "MXLOOKUP"],
)
def test_names_that_zdns_found(asked: str, data: Row, expected: set[tuple[str, str]], *, is_first: bool) -> None:
    """Each address is a host that is not probed for it."""
    record = {"name": asked, **result(**data)} if is_first else {"name": asked, "results": {"X": result(**data)}}
    batch = read(lines(record), "zdns")
    assert names(batch) == expected
    assert {address for address, *_ in ports(batch)} == {address for address, _ in expected}
    assert batch.in_traffic


def match(**more: Any) -> Row:
    """Return one match of a template."""
    return {
        "template-id": "x",
        "info": {"name": "X", "severity": "high"},
        "type": "http",
        "ip": "192.0.2.10",
        "timestamp": "2026-01-01T00:00:00Z",
        **more,
    }


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (match(host="https://www.example.com"), (443, "https")),
        (
            match(host="www.example.com", port="8443", scheme="https", url="https://www.example.com:8443"),
            (8443, "https"),
        ),
        (match(**{"host": "http://www.example.com", "matched-at": "http://www.example.com:81/x"}), (81, "http")),
        (match(host="www.example.com:22", type="tcp"), (22, None)),
        (match(host="www.example.com:443", type="ssl"), (443, "tls")),
        (match(host="2001:db8::1:8080", type="tcp", ip="2001:db8::1"), (8080, None)),
        (match(host="[2001:db8::1]:8080", type="javascript", ip="2001:db8::1"), (8080, None)),
    ],
)
def test_where_nuclei_matched(record: Row, expected: tuple[int, str | None]) -> None:
    """The port stands in one of several places, or follows from the scheme; the finding is kept."""
    batch = read(lines(record), "nuclei")
    port, service = expected
    assert ports(batch) == [(record["ip"], "tcp", port)]
    assert {each[0] for each in services(batch).values()} == ({service} if service else set())
    assert about(batch)[0]["info"]["severity"] == "high"


def test_the_head_of_the_answer_is_a_banner() -> None:
    """It names the product; secrets of the request and the page are not kept."""
    answer = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\n\r\npage"
    batch = read(lines(match(host="http://www.example.com", response=answer, request="Authorization: secret")))
    assert services(batch) == {("192.0.2.10", 80): ("http", "nginx", "1.24.0")}
    assert names(batch) == {("192.0.2.10", "www.example.com")}
    assert "secret" not in str(batch.discoveries)
    assert "page" not in str(batch.banners)


@pytest.mark.parametrize(
    "record", [match(type="dns", host="example.com"), match(**{"matcher-status": False, "host": "x"})]
)
def test_no_port_without_a_match(record: Row) -> None:
    """A question about a name, and a template that did not match (`-ms`)."""
    batch = read(lines(record), "nuclei")
    assert (batch.discoveries, batch.ignored) == ([], 1)
