"""Bytes and names from the network, made into text that can be stored and shown. All of it stays data."""

import re
from typing import Final

LONGEST: Final = 4096
"""Bytes of an answer that are made printable; text is at most four times as long."""

_LONGEST_NAME: Final = 253
"""RFC 1035 2.3.4, in presentation form without the final dot."""

_LONGEST_MAC: Final = 18
_MAC_SEPARATORS: Final = str.maketrans("", "", ":-.")
_is_mac: Final = re.compile(r"[0-9a-f]{12}").fullmatch

_ODD: Final = re.compile(r"[^ -~\n\t]")
"""What is looked at: all but the printable characters of ASCII and the ends of lines."""

_TOP: Final = re.compile(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOCALHOST: Final = "localhost"
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def printable(raw: bytes) -> str:
    r"""Return what can be read of bytes: valid UTF-8 and line ends are kept, all else is written as \xNN.

    The text holds no NUL, no control and no direction-changing character, and has no trailing whitespace.
    """
    text = raw[:LONGEST].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return _ODD.sub(_shown, text).rstrip()


def hostname(text: str, *, wildcard: bool = False) -> str | None:
    """Return `text` as a host name in lower case without its final dot, or None when it is none (RFC 1123 2.1, RFC 2181 11).

    A name has at least two labels and is no address. `wildcard` lets `*.example.com` pass (RFC 6125 6.4.3).
    """
    name = text[: _LONGEST_NAME + 2].lower().removesuffix(".")
    labels = name.removeprefix("*.").split(".") if wildcard else name.split(".")
    # A last label of digits only would be an address written badly; one with other signs is a product's own name for itself.
    if len(name) > _LONGEST_NAME or len(labels) < 2 or not _TOP.fullmatch(labels[-1]):  # noqa: PLR2004  # a name has a dot
        return None
    if labels[0] == _LOCALHOST or labels[-1] == _LOCALHOST:
        return None
    return name if all(_LABEL.fullmatch(label) for label in labels) else None


def local_name(text: str) -> str | None:
    """Return a name that hosts of a local network have, in lower case; None when it is none.

    One label is enough (`printer`), and the last may have underscores, as the names of Docker's networks have.
    """
    labels = text[:_LONGEST_NAME].lower().removesuffix(".").split(".")
    if labels[0] == _LOCALHOST or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return ".".join(labels) if _TOP.fullmatch(labels[-1].replace("_", "-").strip("-")) else None


def mac_address(text: str) -> str | None:
    """Return a MAC address (IEEE EUI-48) in lower case with colons, or None when it is none, all zeros or a group's."""
    digits = text.strip().lower().translate(_MAC_SEPARATORS)
    if len(text) > _LONGEST_MAC or not _is_mac(digits) or not int(digits, 16) or int(digits[1], 16) & 1:
        return None
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())
