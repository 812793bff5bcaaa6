"""distcc: an empty file to compile, which is what such a server is for (distcc protocol, version 1)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_COMMAND: Final = (b"cc", b"-c", b"cobalt.c", b"-o", b"cobalt.o")
_REQUEST: Final = (
    b"DIST00000001" + b"ARGC%08x" % len(_COMMAND) + b"".join(b"ARGV%08x" % len(word) + word for word in _COMMAND)
) + b"DOTI00000000"
_ANSWER: Final = re.compile(rb"DONE0000000[123]STAT[0-9a-f]{8}")
_COMPILER: Final = re.compile(rb"GCC: \(([!-~ ]{1,60})\) ([0-9][\w.]{0,30})")


def recognise(raw: bytes) -> Fingerprint | None:
    """What came of the compilation; the object names the compiler. A server may refuse, and then is silent."""
    if not _ANSWER.match(raw):
        return None
    found = _COMPILER.search(raw)
    compiler = clean(b"GCC " + found[2] + b" (" + found[1] + b")") if found else None
    return Fingerprint(
        "distcc",
        "distccd",
        info=compiler,
        cpe="distcc_project:distcc",
        extras={"compiler": compiler} if compiler else {},
    )


PROTOCOL = Protocol(name="distcc", recognise=recognise, ports=(3632,), words=lambda _: _REQUEST, aliases=("distccd",))
