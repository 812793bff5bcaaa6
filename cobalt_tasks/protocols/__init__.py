"""Tells service, product and version from what a port said. One file per protocol, one line here for each.

The patterns are our own, made from the protocols' documents and the servers' own greetings.
"""

from typing import Final

from cobalt_tasks.core.text import LONGEST, printable
from cobalt_tasks.protocols import (
    amqp,
    ftp,
    imap,
    irc,
    memcached,
    mysql,
    pop3,
    postgresql,
    rdp,
    redis,
    rsync,
    rtsp,
    smtp,
    ssh,
    telnet,
    tls,
    vnc,
    web,
)
from cobalt_tasks.protocols.fingerprint import Fingerprint, Recogniser, clean

__all__ = ["Fingerprint", "printable", "recognise"]

_RECOGNISERS: Final[dict[str, Recogniser]] = {
    "ssh": ssh.recognise,
    "http": web.recognise,
    "tls": tls.recognise,
    "smtp": smtp.recognise,
    "ftp": ftp.recognise,
    "imap": imap.recognise,
    "redis": redis.recognise,
    "pop3": pop3.recognise,
    "mysql": mysql.recognise,
    "postgresql": postgresql.recognise,
    "vnc": vnc.recognise,
    "rdp": rdp.recognise,
    "telnet": telnet.recognise,
    "rtsp": rtsp.recognise,
    "rsync": rsync.recognise,
    "amqp": amqp.recognise,
    "memcached": memcached.recognise,
    "irc": irc.recognise,
}

_ALIASES: Final = {
    "pop": "pop3",
    "ssl": "tls",
    "x509": "tls",
    "x509ca": "tls",
    "title": "http",
    "html": "http",
    "http.server": "http",
    "http-proxy": "http",
    "ssl/http": "https",
    "vnc-info": "vnc",
    "ms-wbt-server": "rdp",
    "postgres": "postgresql",
    "unknown": None,
}
"""What scanners call services, in our words."""

_PARTS: Final[dict[str, Recogniser]] = {"http.server": web.server_header, "ssl": tls.scanner_line}
"""Services whose banner is only a part of an answer: masscan's."""


def recognise(raw: bytes, *, service: str | None = None) -> Fingerprint:
    """Tell what gave this answer; `service` is what a scanner called it, in its own words.

    The answer's own words count more than the scanner's. Nothing recognised leaves only the scanner's service, or nothing.
    """
    raw = raw[:LONGEST]
    called = clean(service.encode("utf-8", "replace").lower()) if service else None
    if called in _PARTS and (found := _PARTS[called](raw)):
        return found
    named = _ALIASES.get(called, called) if called else None
    first = _RECOGNISERS.get(named) if named else None
    for recogniser in (*([first] if first else []), *_RECOGNISERS.values()):
        if found := recogniser(raw):
            return found
    return Fingerprint(service=named)
