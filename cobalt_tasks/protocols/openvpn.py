"""OpenVPN: the first packet of a client; the server answers with its own session (openvpn.net, network protocol)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_SESSION: Final = b"CobaltVP"
_RESET: Final = b"\x38" + _SESSION + bytes(5)
"""P_CONTROL_HARD_RESET_CLIENT_V2, key 0; session, no acknowledgement, packet 0. Servers with tls-auth stay silent."""

_SERVER_RESET: Final = b"\x40"
_ACKNOWLEDGED: Final = bytes.fromhex("0100000000") + _SESSION
_PREFIX: Final = 2


def recognise(raw: bytes) -> Fingerprint | None:
    """P_CONTROL_HARD_RESET_SERVER_V2 that acknowledges our packet and names our session."""
    if raw[:1] == b"\x00" and raw[_PREFIX : _PREFIX + 1] == _SERVER_RESET:
        raw = raw[_PREFIX:]
    is_reset = raw[:1] == _SERVER_RESET and raw[9 : 9 + len(_ACKNOWLEDGED)] == _ACKNOWLEDGED
    return Fingerprint("openvpn", "OpenVPN", cpe="openvpn:openvpn") if is_reset else None


PROTOCOL = Protocol(
    name="openvpn",
    recognise=recognise,
    ports=(1194,),
    udp_ports=(1194, 1195),
    words=lambda _: len(_RESET).to_bytes(_PREFIX, "big") + _RESET,
    udp_words=lambda _: _RESET,
    udp_likelihood=4,
)
