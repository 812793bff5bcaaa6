"""JetDirect: the question of a printer for its model, in PJL (HP, Printer Job Language Technical Reference, INFO ID)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_UNIVERSAL_EXIT: Final = b"\x1b%-12345X"
_QUESTION: Final = _UNIVERSAL_EXIT + b"@PJL INFO ID\r\n" + _UNIVERSAL_EXIT
_ANSWER: Final = re.compile(rb'@PJL INFO ID\s{0,4}\r?\n"?([^"\r\n\x0c]{1,100})')


def recognise(raw: bytes) -> Fingerprint | None:
    """The echo of the question, then the model."""
    found = _ANSWER.match(raw)
    if not found:
        return None
    return Fingerprint("jetdirect", clean(found[1]), device="printer")


PROTOCOL = Protocol(
    name="jetdirect",
    recognise=recognise,
    # Any other words a printer puts on paper.
    ports=tuple(range(9100, 9108)),
    words=lambda _: _QUESTION,
    exclusive=True,
    aliases=("hp-pjl", "pdl-datastream"),
)
