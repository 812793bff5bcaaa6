"""Finger: an empty line is answered by who is logged in, a name by who that is (RFC 1288 2.3)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_ANSWER: Final = re.compile(
    rb"(?:\r?\n|Welcome to [^\r\n]{1,100}\r?\n){0,3}"
    rb"(?:Login:? {1,20}[!-~]{1,32}[ \t]{1,40}Name: |Login {1,20}Name {1,30}(?:TTY|Tty|Idle)\b"
    rb"|Login: [!-~]{1,32}\r?\nNo such user|(?:finger: )?[!-~]{1,32}: no such user"
    rb"|No one (?:is )?logged (?:on|in)\b|Must provide username\b)"
)


def recognise(raw: bytes) -> Fingerprint | None:
    """The columns of a list, the fields of a user, or the line that names no user; programs do not name themselves."""
    return Fingerprint("finger") if _ANSWER.match(raw) else None


PROTOCOL = Protocol(name="finger", recognise=recognise, ports=(79,), words=lambda _: b"\r\n")
