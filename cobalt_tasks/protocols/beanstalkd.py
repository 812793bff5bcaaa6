"""beanstalkd: its statistics, in which its version is (beanstalkd, protocol.txt)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_STATISTICS: Final = re.compile(rb"OK [0-9]{1,6}\r\n---\ncurrent-jobs-urgent: ")
_VERSION: Final = re.compile(rb'^version: "?([0-9][\w.+-]{0,30})', re.MULTILINE)
_HOST: Final = re.compile(rb"^hostname: ([!-~]{1,100})", re.MULTILINE)


def recognise(raw: bytes) -> Fingerprint | None:
    """The statistics; or the answer to what is no command, which no other server words so."""
    if raw == b"UNKNOWN_COMMAND\r\n" * raw.count(b"\n") and raw:
        return Fingerprint("beanstalkd", "beanstalkd", cpe="beanstalkd_project:beanstalkd")
    if not _STATISTICS.match(raw):
        return None
    version, host = _VERSION.search(raw), _HOST.search(raw)
    name = clean(host[1]) if host else None
    return Fingerprint(
        "beanstalkd",
        "beanstalkd",
        clean(version[1]) if version else None,
        cpe="beanstalkd_project:beanstalkd",
        extras={"hostname": name} if name else {},
    )


PROTOCOL = Protocol(
    name="beanstalkd",
    recognise=recognise,
    ports=(11300,),
    words=lambda _: b"stats\r\n",
    is_complete=lambda raw: raw.endswith(b"\n\r\n"),
    aliases=("beanstalk",),
)
