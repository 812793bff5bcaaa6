"""Names of software are not names of hosts."""

from cobalt_tasks.protocols import recognise


def test_headers_that_name_software_name_no_host() -> None:
    """Server, X-Powered-By and the domain of a cookie may look like host names; only a redirect names one."""
    raw = (
        b"HTTP/1.1 200 OK\r\nServer: openresty.org/1.25\r\nX-Powered-By: ASP.NET\r\nVia: 1.1 varnish.example\r\n"
        b"Set-Cookie: a=b; domain=.tracker.example\r\n\r\n<a href='https://www.example.com/'>"
    )
    found = recognise(raw)
    assert (found.service, found.product, found.names) == ("http", "openresty.org", ())
    assert recognise(raw.replace(b"Via:", b"Location: https://www.example.com/ \r\nVia:")).names == ("www.example.com",)
