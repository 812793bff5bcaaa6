"""SSH: the identification string (RFC 4253 4.2), which may follow other lines."""

import re

from msgspec.structs import replace

from cobalt_tasks.protocols.base import Protocol, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import system_of
from cobalt_tasks.protocols.ssh_keys import exchange

_IDENTIFICATION = re.compile(rb"^SSH-[0-9.]{1,8}-([^\s]{1,200})([^\r\n]{0,200})", re.MULTILINE)
_VERSIONED = re.compile(rb"([A-Za-z][A-Za-z0-9._ -]*?)(?:[_/-]v?(?=[0-9])|(?<=[A-Za-z])(?=[0-9]{1,4}\.[0-9]))(.*)")
_ON_WINDOWS = b"OpenSSH_for_Windows"
_NAME = re.compile(rb"[A-Za-z][A-Za-z ]{1,60}(?<! )")


def recognise(raw: bytes) -> Fingerprint | None:
    """OpenSSH_9.2p1, dropbear_2022.83, libssh-0.9.6: product, a separator, version. Some have it the other way round."""
    found = _IDENTIFICATION.search(raw)
    if not found:
        return None
    system = system_of(found[2])
    if found[1].startswith(_ON_WINDOWS):
        return Fingerprint("ssh", "OpenSSH", clean(found[1].removeprefix(_ON_WINDOWS).lstrip(b"_")), os="Windows")
    if found[1][:1].isdigit():
        # A bare number is the version of what the comment names, unless that names a library first.
        library, _, comment = found[2].rpartition(b":")
        name = _NAME.match(comment.strip())
        version = found[1] if name and not library else None
        return Fingerprint("ssh", clean(name[0]) if name else None, clean(version), os=system)
    parts = _VERSIONED.fullmatch(found[1])
    if not parts:
        return Fingerprint("ssh", clean(found[1].rstrip(b"/_-")), os=system)
    return Fingerprint("ssh", clean(parts[1]), clean(parts[2]), os=system)


def _start(raw: bytes) -> int:
    """Return where the identification starts; lines may stand before it."""
    found = _IDENTIFICATION.search(raw)
    return found.start() if found else 0


def ask_more(target: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the host key, and for the algorithms the server offers.

    target: the port; raw: its answer; known: what that showed.
    """
    identification = f"SSH-2.0-{target.user_agent.split(' ', maxsplit=1)[0]}".encode("ascii", "replace")
    found = yield from exchange(identification, raw[_start(raw) :])
    return replace(known, extras={**known.extras, **found}) if found else None


def evidence(raw: bytes) -> bytes:
    """Return all up to the end of the identification: what follows in the same segment holds random bytes."""
    end = raw.find(b"\n", _start(raw))
    return raw if end < 0 else raw[: end + 1]


PROTOCOL = Protocol(
    name="ssh", recognise=recognise, ports=(22, 2222), greets=True, ask_more=ask_more, evidence=evidence
)
