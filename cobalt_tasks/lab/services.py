"""The lab's services: each sends what the real one sends, as far as a client without a login gets."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from typing import Final

Service = Callable[[StreamReader, StreamWriter], Awaitable[None]]

_LONGEST_LINE: Final = 1024
_MOST_LINES: Final = 20


def _dialogue(greeting: bytes, answers: dict[bytes, bytes], otherwise: bytes, farewell: bytes) -> Service:
    """Return a service of lines: greets, answers each command by its first word, ends with the farewell's."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(greeting)
        for _ in range(_MOST_LINES):
            words = (await _line(reader)).upper().split()
            if not words:
                return
            answer = next((answers[word] for word in words[:2] if word in answers), otherwise)
            writer.write(answer)
            await writer.drain()
            if answer == farewell:
                return

    return serve


def _ssh(software: bytes) -> Service:
    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"SSH-2.0-" + software + b"\r\n")
        if not (await _line(reader)).startswith(b"SSH-"):
            writer.write(b"Invalid SSH identification string.\r\n")

    return serve


async def _mysql(reader: StreamReader, writer: StreamWriter) -> None:
    """Handshake protocol 10 (version, connection number, salt, capabilities without TLS, plugin), then the refusal of a login."""
    writer.write(
        _packet(
            0,
            b"\x0a8.0.36-0ubuntu0.22.04.1\x00\x08\x00\x00\x00Zk3>q\x1fXe\x00\xff\xf7\xff\x02\x00\xff\xdf\x15"
            + bytes(10)
            + b"m\x0fU=0J}Q7-x\x1c\x00caching_sha2_password\x00",
        )
    )
    if await reader.read(_LONGEST_LINE):
        writer.write(_packet(2, b"\xff\x15\x04#28000Access denied for user 'guest'@'localhost' (using password: NO)"))


def _web(answer: bytes) -> Service:
    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        request = await _line(reader)
        for _ in range(_MOST_LINES):
            if not (await _line(reader)).strip():
                break
        if request.startswith((b"GET ", b"HEAD ")):
            writer.write(answer)
        elif request:
            writer.write(_page(b"400 Bad Request", b"nginx/1.22.1", b"<h1>400 Bad Request</h1>"))

    return serve


async def _silent(reader: StreamReader, _: StreamWriter) -> None:
    """Read, and never send anything."""
    while await reader.read(_LONGEST_LINE):
        pass


def _page(status: bytes, server: bytes, body: bytes, headers: bytes = b"") -> bytes:
    return (
        b"HTTP/1.1 "
        + status
        + b"\r\nServer: "
        + server
        + b"\r\nContent-Type: text/html\r\n"
        + headers
        + b"Content-Length: "
        + str(len(body)).encode()
        + b"\r\nConnection: close\r\n\r\n"
        + body
    )


def _packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


async def _line(reader: StreamReader) -> bytes:
    """Return one line, or what there is of one when it is too long or the client left."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError:
        return await reader.read(_LONGEST_LINE)


_HOME = _page(b"200 OK", b"nginx/1.22.1", b"<html><head><title>The lab</title></head><body>It works.</body></html>\n")
_MOVED = _page(
    b"301 Moved Permanently", b"Apache/2.4.57 (Debian)", b"<h1>Moved</h1>\n", b"Location: https://www.lab.example/\r\n"
)
_IMAP = b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE AUTH=PLAIN] Dovecot (Debian) ready.\r\n"

SERVICES: Final[dict[str, Service]] = {
    "openssh": _ssh(b"OpenSSH_9.2p1 Debian-2+deb12u3"),
    "dropbear": _ssh(b"dropbear_2022.83"),
    "ftp": _dialogue(
        b"220 (vsFTPd 3.0.3)\r\n",
        {b"USER": b"331 Please specify the password.\r\n", b"QUIT": b"221 Goodbye.\r\n"},
        b"530 Please login with USER and PASS.\r\n",
        b"221 Goodbye.\r\n",
    ),
    "smtp": _dialogue(
        b"220 mail.lab.example ESMTP Postfix (Debian/GNU)\r\n",
        {
            b"EHLO": b"250-mail.lab.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250 8BITMIME\r\n",
            b"HELO": b"250 mail.lab.example\r\n",
            b"QUIT": b"221 2.0.0 Bye\r\n",
        },
        b"502 5.5.2 Error: command not recognized\r\n",
        b"221 2.0.0 Bye\r\n",
    ),
    "pop3": _dialogue(
        b"+OK Dovecot (Debian) ready. <1f4.1.68e6a3c0.T2xk@mail.lab.example>\r\n",
        {b"CAPA": b"+OK\r\nCAPA\r\nUIDL\r\nSASL PLAIN\r\n.\r\n", b"QUIT": b"+OK Logging out\r\n"},
        b"-ERR Unknown command.\r\n",
        b"+OK Logging out\r\n",
    ),
    "imap": _dialogue(
        _IMAP,
        {b"LOGOUT": b"* BYE Logging out\r\n"},
        b"* BAD Error in IMAP command: Unknown command.\r\n",
        b"* BYE Logging out\r\n",
    ),
    "mysql": _mysql,
    "http": _web(_HOME),
    "https": _web(_HOME),
    "redirect": _web(_MOVED),
    "silent": _silent,
}
