"""XMPP: a stream is opened, and the features come (RFC 6120 4)."""

import re

from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.base import Protocol, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint

_STREAM = re.compile(rb"\s{0,10}(?:<\?xml[^>]{0,200}\?>\s{0,10})?<stream:stream\b([^>]{0,1000})>")
_FROM = re.compile(rb"\bfrom=[\"']([^\"'<>]{1,253})[\"']")
_TLS = b"urn:ietf:params:xml:ns:xmpp-tls"
_SERVER = b"jabber:server"
_PRODUCTS = (
    (b"process-one.net", "ejabberd"),
    (b"prosody", "Prosody"),
    (b"igniterealtime", "Openfire"),
    (b">this server does not serve ", "Prosody"),
    (b">this host does not serve ", "Prosody"),
)


def words(target: Target) -> bytes:
    """Open a stream to the host, by its name where one is known."""
    name = target.name or target.address
    kind = "server" if target.port in _SERVER_PORTS else "client"
    return (
        f"<?xml version='1.0'?><stream:stream to='{name}' xmlns='jabber:{kind}' "
        "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    ).encode()


def recognise(raw: bytes) -> Fingerprint | None:
    """The server's own stream; it names its domain."""
    found = _STREAM.match(raw)
    if not found:
        return None
    own = _FROM.search(found[1])
    name = hostname(own[1].decode("ascii", "replace")) if own else None
    product = next((product for mark, product in _PRODUCTS if mark in raw.lower()), None)
    kind = "server to server" if _SERVER in found[1] else "client to server"
    return Fingerprint("xmpp", product, None, (name,) if name else (), info=kind, offers_tls=_TLS in raw)


def starttls(_: Target) -> Steps[bool]:
    """RFC 6120 5.4.2."""
    if not (yield from answered(words(Target("cobalt.invalid", 5222)), b"<?xml")):
        return False
    return (yield from answered(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<proceed"))


_SERVER_PORTS = (5269, 5270)

PROTOCOL = Protocol(
    name="xmpp",
    recognise=recognise,
    name_in_tls="xmpps",
    ports=(5222, 5269),
    tls_ports=(5223, 5270),
    words=words,
    is_complete=lambda raw: b"</stream:features>" in raw or b"</stream:stream>" in raw,
    starttls=starttls,
    aliases=("xmpp-client", "xmpp-server", "jabber"),
)
