"""The values of an answer that fingerprints are made for, each with recog's name for its field."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from cobalt_tasks.protocols.fingerprint import Fingerprint

Value = tuple[str, str]
"""A field and a value of it."""

_HTTP: Final = re.compile(rb"HTTP/[0-9.]{1,4} [0-9]{3}\b")
_LINE: Final = re.compile(rb"^(?:\* [A-Z]{2,7}|[+-][A-Z]{2,3}|[0-9]{3})[ -]+([^\r\n]{1,2000})", re.MULTILINE)
"""A line of a greeting without its status: `220 `, `220-`, `* OK `, `+OK `."""

_SSH: Final = re.compile(rb"^SSH-[0-9.]{1,8}-([^\r\n]{1,300})", re.MULTILINE)
_COOKIE: Final = re.compile(rb"^Set-Cookie:[ \t]*([^\r\n]{1,2000})", re.IGNORECASE | re.MULTILINE)
_CHALLENGE: Final = re.compile(rb"^WWW-Authenticate:[ \t]*([^\r\n]{1,2000})", re.IGNORECASE | re.MULTILINE)
_AGENT: Final = re.compile(rb"^(Server|User-Agent):[ \t]*([^\r\n]{1,500})", re.IGNORECASE | re.MULTILINE)
_MYSQL: Final = re.compile(rb"...\x00\x0a([\x20-\x7e]{1,100})\x00", re.DOTALL)
_MYSQL_ERROR: Final = re.compile(rb"...[\x00\x01]\xff[\x00-\xff]{2}(?:#.{5})?([^\x00]{1,400})", re.DOTALL)
_NEGOTIATION: Final = re.compile(rb"\xff(?:[\xfb-\xfe].|[\xf0-\xf9])", re.DOTALL)
_READ_VARIABLES: Final = re.compile(rb'version="[\x20-\x7e\r\n]{1,1000}')
_NATIVE: Final = re.compile(rb"(?:Unix|Samba|Windows)[^\x00]{0,100}")
_MOST: Final = 8
"""Values of one field that are looked at."""

_GREETINGS: Final = {
    "ftp": "ftp.banner",
    "smtp": "smtp.banner",
    "imap": "imap4.banner",
    "pop3": "pop3.banner",
    "nntp": "nntp.banner",
}


def values_of(known: Fingerprint, raw: bytes) -> Iterator[Value]:
    """Yield the values of an answer, those that show most of the program first.

    Args:
        known: what our own recogniser found out.
        raw: the answers of the server.

    """
    service = known.service or ""
    if _HTTP.match(raw):
        yield from _of_http(known.extras, raw)
    elif service in _GREETINGS:
        for line in _LINE.findall(raw)[:_MOST]:
            yield _GREETINGS[service], _text(line)
    elif service in _READERS:
        yield from _READERS[service](known, raw)


def of_certificate(subject: str, issuer: str) -> Iterator[Value]:
    """Yield the values of a certificate's names, as RFC 4514 writes them: `subject`, then `issuer`."""
    yield "x509.subject", subject
    yield "x509.issuer", issuer


def _of_http(extras: Mapping[str, str], raw: bytes) -> Iterator[Value]:
    for name, field in (
        ("server", "http_header.server"),
        ("title", "html_title"),
        ("powered_by", "http_header.x-powered-by"),
    ):
        if value := extras.get(name):
            yield field, value
    for challenge in _CHALLENGE.findall(raw)[:_MOST]:
        yield "http_header.wwwauth", _text(challenge)
    for cookie in _COOKIE.findall(raw)[:_MOST]:
        yield "http_header.cookie", _text(cookie)
    if digest := extras.get("favicon_md5"):
        yield "favicon.md5", digest
    if server := extras.get("server"):
        yield "apache_os", server


def _of_ssh(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    if found := _SSH.search(raw):
        yield "ssh.banner", _text(found[1])


def _of_telnet(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    yield "telnet_banners", _text(_NEGOTIATION.sub(b"", raw)).strip("\r\n \0")


def _of_mysql(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    if found := _MYSQL.match(raw):
        yield "mysql.banners", _text(found[1])
    elif found := _MYSQL_ERROR.match(raw):
        yield "mysql.error", _text(found[1])


def _of_dns(known: Fingerprint, _: bytes) -> Iterator[Value]:
    if known.info:
        yield "dns.versionbind", known.info


def _of_ntp(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    if found := _READ_VARIABLES.search(raw):
        yield "ntp.readvar", _text(found[0])


def _of_snmp(known: Fingerprint, _: bytes) -> Iterator[Value]:
    if description := known.extras.get("description"):
        yield "snmp.sys_description", description


def _of_ldap(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    yield "ldap.search_result", _text(raw)


def _of_sip(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    for name, value in _AGENT.findall(raw)[:_MOST]:
        yield f"sip_header.{'server' if name.lower() == b'server' else 'user_agent'}", _text(value)


def _of_rtsp(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    for _name, value in _AGENT.findall(raw)[:_MOST]:
        yield "rtsp_header.server", _text(value)


def _of_smb(_: Fingerprint, raw: bytes) -> Iterator[Value]:
    # The strings of a session stand there in UTF-16, or in ASCII.
    for text in _NATIVE.findall(raw.replace(b"\0\0", b"\n").replace(b"\0", b"").replace(b"\n", b"\0"))[:_MOST]:
        yield ("smb.native_lm" if text.startswith(b"Samba") else "smb.native_os"), _text(text)


def _of_x11(known: Fingerprint, _: bytes) -> Iterator[Value]:
    if known.product:
        yield "x11.vendor", known.product


def _of_jetdirect(known: Fingerprint, _: bytes) -> Iterator[Value]:
    if known.product:
        yield "hp_pjl_id", known.product


_READERS: Final = {
    "ssh": _of_ssh,
    "telnet": _of_telnet,
    "mysql": _of_mysql,
    "dns": _of_dns,
    "ntp": _of_ntp,
    "snmp": _of_snmp,
    "ldap": _of_ldap,
    "sip": _of_sip,
    "rtsp": _of_rtsp,
    "smb": _of_smb,
    "x11": _of_x11,
    "jetdirect": _of_jetdirect,
}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
