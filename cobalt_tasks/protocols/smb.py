"""SMB 1 to 3: negotiation, then a session without a name, whose answer shows system and domain ([MS-CIFS], [MS-SMB2])."""

import re

from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols import ntlm
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_SMB1 = b"\xffSMB"
_SMB2 = b"\xfeSMB"
_NEGOTIATE = b"\x72"
_SESSION = b"\x73"
_MARK = re.compile(rb"\x00[\x00\x01]..(\xffSMB[\x72\x73]|\xfeSMB\x40\x00)", re.DOTALL)
_SAMBA = re.compile(r"Samba ([0-9][\w.]*)")
_DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1", 0x02FF: "2"}
_EXTENDED = 0xC801
_PLAIN = 0xC001
_SAMBA_OS = "Windows 6.1"


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def _smb1(command: bytes, flags2: int, words: bytes, data: bytes) -> bytes:
    head = (
        _SMB1 + command + bytes(4) + b"\x18" + flags2.to_bytes(2, "little") + bytes(12) + b"\xff\xff\xfe\xff" + bytes(4)
    )
    return _frame(head + bytes((len(words) // 2,)) + words + len(data).to_bytes(2, "little") + data)


def negotiate(*dialects: bytes) -> bytes:
    """Return the SMB 1 negotiation that offers some dialects; with `SMB 2.???` a newer server answers in SMB 2."""
    return _smb1(_NEGOTIATE, _EXTENDED, b"", b"".join(b"\x02" + dialect + b"\x00" for dialect in dialects))


def _session() -> bytes:
    """Return the SMB 1 session set-up with the first message of NTLM in it."""
    blob = ntlm.NEGOTIATE
    words = b"\xff\x00\x00\x00" + (0xFFFF).to_bytes(2, "little") + b"\x02\x00\x01\x00" + bytes(4)
    words += len(blob).to_bytes(2, "little") + bytes(4) + (0x800000D4).to_bytes(4, "little")
    return _smb1(_SESSION, _EXTENDED, words, blob + b"\x00" + "Unix\x00Cobalt\x00".encode("utf-16-le"))


def recognise(raw: bytes) -> Fingerprint | None:
    """An answer of either generation. Samba names itself in the session of SMB 1."""
    found = _MARK.match(raw)
    if not found:
        return None
    message = raw[4:]
    challenge = ntlm.challenge(message)
    names = {name for name in (hostname(challenge.get(key, "")) for key in ("dns_computer",)) if name}
    dialect = _dialect(message)
    known = {
        "dialect": dialect,
        "domain": challenge.get("domain"),
        "computer": challenge.get("computer"),
        "os_version": challenge.get("os_version"),
    }
    strings = _strings(message)
    samba = next((match for text in strings if (match := _SAMBA.search(text))), None)
    product = "Samba" if samba else "Microsoft Windows" if any("Windows Server" in text for text in strings) else None
    return Fingerprint(
        "smb",
        product,
        samba[1] if samba else None,
        tuple(sorted(names)),
        info=f"SMB {dialect}" if dialect else None,
        os=_system(strings, is_samba=samba is not None),
        extras={name: value for name, value in known.items() if value},
    )


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Start a session in SMB 1 over a fresh connection; newer servers may refuse it, which leaves what is known."""
    if (yield Connect()).status is not ConnectionStatus.OPEN:
        return known
    reply = yield Send(negotiate(b"NT LM 0.12"), is_complete=is_complete)
    if reply.data[4:9] != _SMB1 + _NEGOTIATE:
        return known
    reply = yield Send(_session(), is_complete=is_complete)
    more = recognise(reply.data)
    if more is None or reply.data[4:9] != _SMB1 + _SESSION:
        return known
    extras = {**more.extras, **known.extras}
    return Fingerprint("smb", more.product, more.version, more.names, known.info, None, more.os, extras=extras)


def is_complete(raw: bytes) -> bool:
    """Return whether the message has the length it announces."""
    return len(raw) > 4 and len(raw) >= 4 + int.from_bytes(raw[1:4], "big")  # noqa: PLR2004  # bytes of the length


def _dialect(message: bytes) -> str | None:
    if message.startswith(_SMB2) and message[12:14] == b"\x00\x00":
        return _DIALECTS.get(int.from_bytes(message[68:70], "little"))
    return "1" if message.startswith(_SMB1 + _NEGOTIATE) else None


def _strings(message: bytes) -> list[str]:
    """Return the system and the LAN manager of an SMB 1 session: UTF-16 text behind the security blob."""
    if not message.startswith(_SMB1 + _SESSION):
        return []
    found = re.findall(rb"(?:[\x20-\x7e]\x00){3,60}", message[32:])
    return [clean(text.decode("utf-16-le").encode()) or "" for text in found]


def _system(strings: list[str], *, is_samba: bool) -> str | None:
    system = next((text for text in strings if text.startswith(("Windows", "Unix"))), None)
    # Samba claims to be a Windows for the sake of old clients.
    return "Unix" if is_samba else system


PROTOCOL = Protocol(
    name="smb",
    recognise=recognise,
    ports=(445, 139),
    words=lambda _: negotiate(b"NT LM 0.12", b"SMB 2.002", b"SMB 2.???"),
    is_complete=is_complete,
    ask_more=ask_more,
    likelihood=14,
    aliases=("microsoft-ds", "netbios-ssn", "cifs"),
)
