"""What ports speak, without I/O. One file per protocol; registry.py lists them and shows how to add one.

`identify` is the conversation that finds out what a port speaks, `recognise` names the program behind an answer that
our probe read, or another tool whose output is ingested. The patterns are our own, made from the protocols' documents
and the servers' own greetings.
"""

from cobalt_tasks.core.text import LONGEST, printable
from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.registry import PARTS, PROTOCOLS, named, our_name

__all__ = ["Fingerprint", "Protocol", "matching", "printable", "recognise"]

_UNKNOWN = "unknown"
"""What scanners call a service they do not know."""


def recognise(raw: bytes, *, service: str | None = None, asked: Protocol | None = None) -> Fingerprint:
    """Return what an answer shows. Its own words count more than what a scanner called it.

    raw: the first bytes of the answer.
    service: what a scanner called it, in the scanner's own words; the result if nothing is recognised.
    asked: the protocol whose words were answered.
    """
    called = clean(service.encode("utf-8", "replace").lower()) if service else None
    if called in PARTS and (found := PARTS[called](raw[:LONGEST])):
        return found
    _, known = matching(raw, expected=asked or (named(called) if called else None), is_reply=asked is not None)
    if known:
        return known
    return Fingerprint(service=our_name(called) if called and called != _UNKNOWN else None)


def matching(
    raw: bytes, *, expected: Protocol | None = None, is_reply: bool = False
) -> tuple[Protocol | None, Fingerprint | None]:
    """Return the first protocol whose recogniser knows an answer, and what that shows; (None, None) if none does.

    raw: the first bytes of the answer.
    expected: the protocol that is asked first. is_reply: the answer is one to its words.
    """
    raw = raw[:LONGEST]
    order = [expected, *(each for each in PROTOCOLS if each is not expected)] if expected else PROTOCOLS
    for each in order:
        if known := each.recognise(raw):
            return each, known
        if is_reply and each is expected and each.recognise_reply and (known := each.recognise_reply(raw)):
            return each, known
    return None, None
