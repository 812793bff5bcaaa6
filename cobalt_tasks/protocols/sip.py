"""SIP: OPTIONS (RFC 3261 11), over TCP and UDP."""

import re

from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import product_of, system_of

_STATUS = re.compile(rb"SIP/2\.0 [0-9]{3} ([^\r\n]{0,100})")
_AGENT = re.compile(rb"^(?:Server|User-Agent):[ \t]*([^\r\n]{1,300})", re.IGNORECASE | re.MULTILINE)


def options(target: Target) -> bytes:
    """Ask what the server can do; the answer needs no account."""
    host = f"[{target.address}]" if ":" in target.address else target.address
    lines = (
        f"OPTIONS sip:{host} SIP/2.0",
        f"Via: SIP/2.0/{target.transport.upper()} cobalt.invalid;branch=z9hG4bK1;rport",
        "From: <sip:cobalt@cobalt.invalid>;tag=1",
        f"To: <sip:{host}>",
        "Call-ID: 1@cobalt.invalid",
        "CSeq: 1 OPTIONS",
        "Max-Forwards: 1",
        "Contact: <sip:cobalt@cobalt.invalid>",
        f"User-Agent: {target.user_agent}",
        "Content-Length: 0",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def recognise(raw: bytes) -> Fingerprint | None:
    """The product stands in Server, or in User-Agent of devices."""
    status = _STATUS.match(raw)
    if not status:
        return None
    agent = _AGENT.search(raw)
    product, version = product_of(agent[1]) if agent else (None, None)
    return Fingerprint("sip", product, version, info=clean(status[1]), os=system_of(agent[1]) if agent else None)


PROTOCOL = Protocol(
    name="sip",
    recognise=recognise,
    name_in_tls="sips",
    ports=(5060,),
    tls_ports=(5061,),
    udp_ports=(5060,),
    words=options,
    udp_words=options,
    is_complete=lambda raw: b"\r\n\r\n" in raw,
    likelihood=30,
    follows_http=True,
)
