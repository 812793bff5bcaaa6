"""What is stored beside service, product and version: CPE 2.3 names, and what else an answer shows."""

import json
import re

import pytest

from cobalt_tasks.protocols import Fingerprint, recognise
from cobalt_tasks.protocols.cpe_names import CPE_NAMES
from cobalt_tasks.protocols.details import cpe, details_of

_NAME = re.compile(r"cpe:2\.3:a(?::(?:[a-z0-9._*?-]|\\[^\w\s])+){2}:(?:\*|(?:[a-z0-9._-]|\\[^\w\s])+)(?::\*){7}")
"""A formatted name (NIST IR 7695 6.2) of an application, of which only vendor, product and version are bound."""


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "cpe:2.3:a:openbsd:openssh:9.2p1:*:*:*:*:*:*:*"),
        (b"220 (vsFTPd 3.0.3)\r\n", "cpe:2.3:a:vsftpd_project:vsftpd:3.0.3:*:*:*:*:*:*:*"),
        (b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n", "cpe:2.3:a:f5:nginx:*:*:*:*:*:*:*:*"),
        (
            b"HTTP/1.1 200 OK\r\nServer: Apache/2.4.57 (Debian)\r\n\r\n",
            "cpe:2.3:a:apache:http_server:2.4.57:*:*:*:*:*:*:*",
        ),
    ],
)
def test_products_have_their_cpe(raw: bytes, name: str) -> None:
    """The name has the version where the answer shows it, and is well formed."""
    assert cpe(recognise(raw)) == name


def test_every_name_is_well_formed() -> None:
    """Also with a version that was made to break it."""
    for product in CPE_NAMES:
        for version in (None, "1.0", "9.2p1", "1.0:*:evil", "a b", "1+dfsg~rc1"):
            found = cpe(Fingerprint("x", product, version))
            assert found
            assert _NAME.fullmatch(found), found


def test_details_hold_what_else_is_shown() -> None:
    """Operating system, title and TLS are kept; nothing at all is None."""
    page = b"HTTP/1.1 200 OK\r\nServer: Apache/2.4.57 (Debian)\r\n\r\n<title>Intranet</title>"
    shown = json.loads(details_of(recognise(page), "TLSv1.3 X") or "")
    assert (shown["os"], shown["title"], shown["tls"]) == ("Debian", "Intranet", "TLSv1.3 X")
    assert "confidence" not in shown
    assert details_of(Fingerprint("tls")) is None
