"""Zabbix agent and server: the header of their protocol; the agent's version (Zabbix manual, Header and data length)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_HEADER: Final = re.compile(rb"ZBXD[\x01\x03\x05]", re.DOTALL)
_HEAD: Final = 13
_SERVER: Final = 10051
_VERSION: Final = re.compile(rb"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,3}(?:(?:alpha|beta|rc)[0-9]{1,2})?\Z")


def _message(data: bytes) -> bytes:
    return b"ZBXD\x01" + len(data).to_bytes(8, "little") + data


def question(target: Target) -> bytes:
    """Ask an agent for its version; a server for the checks of a host it does not know."""
    if target.port == _SERVER:
        return _message(b'{"request":"active checks","host":"cobalt.invalid"}')
    return _message(b"agent.version")


def recognise(raw: bytes) -> Fingerprint | None:
    """The header, and what is behind it: a version, a refusal, or a server's JSON."""
    if not _HEADER.match(raw) or len(raw) < _HEAD:
        return None
    said = raw[_HEAD : _HEAD + int.from_bytes(raw[5:9], "little")]
    if _VERSION.match(said):
        return Fingerprint("zabbix-agent", "Zabbix agent", clean(said), cpe="zabbix:zabbix")
    if said.startswith(b"{"):
        return Fingerprint("zabbix-server", "Zabbix server", cpe="zabbix:zabbix")
    return Fingerprint("zabbix-agent", "Zabbix agent", info=clean(said.replace(b"\0", b" ")), cpe="zabbix:zabbix")


def is_complete(raw: bytes) -> bool:
    """Return whether as much is there as the header announces."""
    return len(raw) >= _HEAD and len(raw) >= _HEAD + int.from_bytes(raw[5:9], "little")


PROTOCOL = Protocol(
    name="zabbix-agent",
    recognise=recognise,
    ports=(10050, 10051),
    words=question,
    is_complete=is_complete,
    aliases=("zabbix", "zabbix-trapper"),
)
