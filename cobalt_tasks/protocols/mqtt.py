"""MQTT: CONNECT without a name, then the broker's version from $SYS (MQTT 3.1.1)."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_CONNECT = bytes.fromhex("100c00044d5154540402003c0000")
_DISCONNECT = bytes.fromhex("e000")
_CONNACK = re.compile(rb"\x20\x02[\x00\x01][\x00-\x05]|\x20[\x03-\x7f][\x00\x01][\x00\x80-\x9f]", re.DOTALL)
_TOPICS = (b"$SYS/broker/version", b"$SYS/brokers/+/version", b"$SYS/brokers/+/sysdescr")
_VERSION = re.compile(
    rb"\$SYS/broker/version([A-Za-z][\w-]{0,30}) version ([0-9][\w.]{0,40})|\$SYS/brokers/[^/]{1,100}/version([0-9][\w.]{0,40})"
)
"""What brokers publish: name and version; those below a name of their own are EMQX's."""

_PRODUCTS = {"mosquitto": "Mosquitto"}
_REASONS = ("accepted", "version refused", "name refused", "server unavailable", "bad password", "not authorized")


def _subscribe() -> bytes:
    topics = b"".join(len(topic).to_bytes(2, "big") + topic + b"\x00" for topic in _TOPICS)
    return bytes((0x82, 2 + len(topics))) + b"\x00\x01" + topics


def recognise(raw: bytes) -> Fingerprint | None:
    """CONNACK, and after it what the broker publishes about itself."""
    found = _CONNACK.match(raw)
    if not found:
        return None
    info = _REASONS[raw[3]] if raw[1] == 2 else None  # noqa: PLR2004  # CONNACK of version 3 has two bytes
    version = _VERSION.search(raw)
    if not version:
        return Fingerprint("mqtt", info=info)
    name = clean(version[1]) or "EMQX"
    return Fingerprint("mqtt", _PRODUCTS.get(name, name), clean(version[2] or version[3]), info=info)


def ask_more(_: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Subscribe to the version, if the broker lets strangers in.

    raw: its answer; known: what that showed.
    """
    if raw[3:4] != b"\x00":
        return None
    reply = yield Send(_subscribe(), is_complete=lambda data: bool(_VERSION.search(data)))
    yield Send(_DISCONNECT, wait=0)
    return recognise(raw + reply.data) or known


PROTOCOL = Protocol(
    name="mqtt",
    recognise=recognise,
    name_in_tls="mqtts",
    ports=(1883,),
    tls_ports=(8883,),
    words=lambda _: _CONNECT,
    is_complete=lambda raw: bool(_CONNACK.match(raw)),
    ask_more=ask_more,
    likelihood=12,
    rejects_http=True,
)
