"""NTLM: the first message, and what the server's challenge shows about it ([MS-NLMP] 2.2.1). No protocol of its own."""

from cobalt_tasks.protocols.fingerprint import clean

_MARK = b"NTLMSSP\x00"
NEGOTIATE = _MARK + bytes.fromhex("01000000 97820862") + bytes(16)
"""Asks for target information and version."""

_CHALLENGE = b"\x02\x00\x00\x00"
_VERSION = 48
_FIELDS = {1: "computer", 2: "domain", 3: "dns_computer", 4: "dns_domain", 5: "dns_forest"}
_MOST = 12


def challenge(raw: bytes) -> dict[str, str]:
    """Return the names in a challenge anywhere in `raw`, and `os_version`; empty without a challenge."""
    at = raw.find(_MARK + _CHALLENGE)
    if at < 0:
        return {}
    message = raw[at:]
    found: dict[str, str] = {}
    version = message[_VERSION : _VERSION + 4]
    if len(version) == 4 and version[0]:  # noqa: PLR2004  # major, minor and build
        found["os_version"] = f"{version[0]}.{version[1]}.{int.from_bytes(version[2:], 'little')}"
    length, offset = int.from_bytes(message[40:42], "little"), int.from_bytes(message[44:48], "little")
    target = message[offset : offset + length]
    for _ in range(_MOST):
        kind, size = int.from_bytes(target[:2], "little"), int.from_bytes(target[2:4], "little")
        if kind == 0 or len(target) < 4 + size:
            break
        text = clean(target[4 : 4 + min(size, 240)].decode("utf-16-le", "replace").encode())
        if kind in _FIELDS and text:
            found[_FIELDS[kind]] = text
        target = target[4 + size :]
    return found
