"""MPD: the greeting, whose version is that of the protocol (Music Player Daemon, protocol reference)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_GREETING: Final = re.compile(rb"OK MPD ([0-9][0-9.]{0,20})\n")

_MOPIDYS: Final = "protocol 0.19.0"
_MUTE: Final = re.compile(rb"outputid: 0\noutputname: Mute\noutputenabled: [01]\nOK\n")


def recognise(raw: bytes) -> Fingerprint | None:
    """The version is the protocol's, not the program's."""
    found = _GREETING.match(raw)
    if not found:
        return None
    return Fingerprint("mpd", "Music Player Daemon (MPD)", info=clean(b"protocol " + found[1]))


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask a server that speaks the version of Mopidy for its outputs: Mopidy has one that mutes, and names no plug-in for it.

    known: what its greeting showed.
    """
    if known.info != _MOPIDYS:
        return None
    reply = yield Send(b"outputs\n", is_complete=lambda data: data.endswith(b"OK\n") or data.startswith(b"ACK"))
    if not _MUTE.match(reply.data):
        return None
    return Fingerprint("mpd", "Mopidy", info=known.info)


PROTOCOL = Protocol(name="mpd", recognise=recognise, ports=(6600,), greets=True, ask_more=ask_more)
