"""Git's own protocol: an answer to git-upload-pack, in pkt-lines (gitprotocol-pack)."""

import re

from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_ERROR = re.compile(rb"[0-9a-f]{4}ERR ([^\n\x00]{1,200})")
_REFS = re.compile(rb"[0-9a-f]{4}[0-9a-f]{40} [^\x00\n]{1,200}\x00([^\n]{0,500})")
_AGENT = re.compile(rb"\bagent=git/([0-9][\w.]*)")
_DAEMON = b"access denied or repository not exported"


def request(target: Target) -> bytes:
    """Ask for the repository `/`, which no server has to have."""
    line = f"git-upload-pack /\x00host={target.name or target.address}\x00".encode()
    return b"%04x" % (len(line) + 4) + line


def recognise(raw: bytes) -> Fingerprint | None:
    """An error, or a list of references whose capabilities name the version."""
    if error := _ERROR.match(raw):
        return Fingerprint("git", "git daemon" if _DAEMON in error[1] else None, info=clean(error[1]))
    if refs := _REFS.match(raw):
        agent = _AGENT.search(refs[1])
        return Fingerprint("git", "git daemon" if agent else None, clean(agent[1]) if agent else None)
    return None


PROTOCOL = Protocol(name="git", recognise=recognise, ports=(9418,), words=request)
