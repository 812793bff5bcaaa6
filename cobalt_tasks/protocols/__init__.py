"""What ports speak, without I/O. One file per protocol; registry.py lists them and shows how to add one.

`identify` is the conversation that finds out what a port speaks, `recognise` names the program behind an answer, whoever
read it: our probe, or another tool whose output is ingested. The patterns are our own, made from the protocols' documents
and the servers' own greetings.
"""

from cobalt_tasks.core.text import LONGEST, printable
from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, Recogniser, clean
from cobalt_tasks.protocols.registry import PARTS, PROTOCOLS, named, our_name

__all__ = ["Fingerprint", "Protocol", "printable", "recognise"]

_UNKNOWN = "unknown"
"""What scanners call a service they do not know."""


def recognise(raw: bytes, *, service: str | None = None, spoken: Protocol | None = None) -> Fingerprint:
    """Return what an answer shows. Its own words count more than what a scanner called it.

    raw: the first bytes of the answer.
    service: what a scanner called it, in the scanner's own words; the result if nothing is recognised.
    spoken: the protocol whose words were answered.
    """
    raw = raw[:LONGEST]
    called = clean(service.encode("utf-8", "replace").lower()) if service else None
    if called in PARTS and (found := PARTS[called](raw)):
        return found
    expected = spoken or (named(called) if called else None)
    for recogniser in _recognisers(expected, is_reply=spoken is not None):
        if found := recogniser(raw):
            return found
    return Fingerprint(service=our_name(called) if called and called != _UNKNOWN else None)


def _recognisers(first: Protocol | None, *, is_reply: bool) -> list[Recogniser]:
    expected = [first.recognise] if first else []
    if first and first.recognise_reply and is_reply:
        expected.append(first.recognise_reply)
    return [*expected, *(each.recognise for each in PROTOCOLS if each is not first)]
