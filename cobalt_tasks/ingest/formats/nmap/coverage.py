"""Which ports a scan of nmap covered, by the command and the comments in its text outputs."""

import re
import shlex
from typing import Final

from msgspec import Struct

from cobalt_tasks.core.coverage import Ports, read_ports

COMMAND: Final = re.compile(r"# Nmap \S+ scan initiated .*? as: (.*)")
_SCANNED: Final = re.compile(r"(TCP|UDP|SCTP)\(\d+;([\d,-]*)\)")
_KINDS: Final = {**dict.fromkeys("STAWMNFX", "tcp"), "U": "udp", **dict.fromkeys("YZ", "sctp")}
_OTHER_SCANS: Final = {"-sn", "-sP", "-sL", "-sO"}
_LEFT_OUT: Final = "--exclude-ports"


class ScanNotes(Struct, omit_defaults=True):
    """What the first lines or comments report of the scan: when it started (epoch seconds), its ports, whether with -sV."""

    when: float | None = None
    covers: Ports = {}
    has_versions: bool = False


def of_command(command: str) -> Ports:
    """Return the ports that `-p` names in nmap's command line; {} where it does not name them."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    if _OTHER_SCANS.intersection(words) or any(word.startswith(_LEFT_OUT) for word in words):
        return {}
    kinds = {
        _KINDS[letter] for word in words if re.fullmatch("-s[A-Z]+", word) for letter in word[2:] if letter in _KINDS
    }
    lists = [following for word, following in zip(words, [*words[1:], ""], strict=True) if word == "-p"]
    lists += [word[2:] for word in words if word.startswith("-p") and word != "-p"]
    return read_ports(lists[0], tuple(sorted(kinds)) or ("tcp",)) if len(lists) == 1 else {}


def of_comment(text: str) -> Ports:
    """Return the ports of `# Ports scanned: TCP(3;22,80-81) UDP(0;) SCTP(0;) PROTOCOLS(0;)`."""
    found: Ports = {}
    for protocol, ports in _SCANNED.findall(text):
        if ports:
            found |= read_ports(ports, (protocol.lower(),))
    return found
