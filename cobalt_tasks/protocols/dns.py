"""DNS: the server's version, in the class CHAOS (RFC 4892), over TCP and UDP."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean, first_product

_ID = b"\xc0\xba"
_QUESTION = b"\x07version\x04bind\x00\x00\x10\x00\x03"
_QUERY = _ID + bytes.fromhex("000000010000000000 00".replace(" ", "")) + _QUESTION
_ANSWER = re.compile(
    _ID + rb"[\x80-\x87][\x00-\x7f\x80-\xff][\x00-\xff]{8}(?:\x07version\x04bind\x00\x00\x10\x00\x03)?", re.DOTALL
)
_TEXT = re.compile(rb"\x00\x10\x00\x03.{4}..(.)", re.DOTALL)
_PRODUCTS = (
    ("dnsmasq", re.compile(rb"^dnsmasq-([0-9][\w.]*)")),
    ("Unbound", re.compile(rb"^unbound ([0-9][\w.]*)")),
    ("PowerDNS Recursor", re.compile(rb"^(?:Served by )?PowerDNS Recursor ?([0-9][\w.]*)?")),
    ("PowerDNS", re.compile(rb"^(?:Served by )?PowerDNS (?:Authoritative Server)? ?([0-9][\w.]*)?")),
    ("NSD", re.compile(rb"^NSD ([0-9][\w.]*)")),
    ("Knot DNS", re.compile(rb"^Knot DNS ([0-9][\w.]*)")),
    ("CoreDNS", re.compile(rb"^CoreDNS-([0-9][\w.]*)")),
    ("gdnsd", re.compile(rb"^gdnsd\b")),
    ("Microsoft DNS", re.compile(rb"^Microsoft DNS ([0-9][\w.]*)")),
    ("ISC BIND", re.compile(rb"^(?:BIND )?(9\.[0-9][\w.]*)")),
)


def recognise(raw: bytes) -> Fingerprint | None:
    """An answer to our question: its TXT record names the product, if the server shows it."""
    if raw[2:4] == _ID and int.from_bytes(raw[:2], "big") >= len(_QUERY) - len(_QUESTION):
        raw = raw[2:]
    found = _ANSWER.match(raw)
    if not found:
        return None
    text = _text(raw[found.end() :])
    product, version = first_product(text, _PRODUCTS)
    return Fingerprint("dns", product, version, info=clean(text))


def is_complete(raw: bytes) -> bool:
    """Return whether the message has the length it announces, over TCP."""
    return len(raw) > 2 and len(raw) >= 2 + int.from_bytes(raw[:2], "big")  # noqa: PLR2004  # bytes of the length


def _text(answer: bytes) -> bytes:
    found = _TEXT.search(answer)
    return answer[found.end() : found.end() + found[1][0]] if found else b""


PROTOCOL = Protocol(
    name="dns",
    recognise=recognise,
    name_in_tls="dns",
    ports=(53,),
    tls_ports=(853,),
    udp_ports=(53,),
    words=lambda _: len(_QUERY).to_bytes(2, "big") + _QUERY,
    udp_words=lambda _: _QUERY,
    is_complete=is_complete,
    likelihood=18,
    udp_likelihood=0,
    aliases=("domain",),
)
