"""What servers say is recognised; what they do not say is not made up."""

import base64
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.protocols import Fingerprint, recognise
from tests.support.waiting import assert_linear

GREETINGS = [
    (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", Fingerprint("ssh", "OpenSSH", "9.2p1")),
    (b"SSH-2.0-dropbear_2022.83\r\n\x00\x00\x01\xd4\x05\x14", Fingerprint("ssh", "dropbear", "2022.83")),
    (b"SSH-2.0-libssh-0.9.6\r\n", Fingerprint("ssh", "libssh", "0.9.6")),
    (b"SSH-1.99-Cisco-1.25\n", Fingerprint("ssh", "Cisco", "1.25")),
    (b"SSH-2.0-ROSSSH\r\n", Fingerprint("ssh", "ROSSSH")),
    (b"SSH-2.0-ssh2js1.17.0\r\n", Fingerprint("ssh", "ssh2js", "1.17.0")),
    (b"SSH-2.0-Sun4Shell2\r\n", Fingerprint("ssh", "Sun4Shell2")),
    (b"220 nullmailer-smtpd ready\r\n", Fingerprint("smtp", "nullmailer")),
    (b"NBDMAGICIHAVEOPT\x00\x03", Fingerprint("nbd")),
    (b"NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53" + bytes(8), Fingerprint("nbd")),
    (b"SSH-2.0-OpenSSH_for_Windows_7.7\r\n", Fingerprint("ssh", "OpenSSH", "7.7")),
    (b"SSH-2.0-4.0.3 SSH Secure Shell\r\n", Fingerprint("ssh", "SSH Secure Shell", "4.0.3")),
    (b"SSH-2.0-1.29 sshlib: MOVEit DMZ SSH\r\n", Fingerprint("ssh", "MOVEit DMZ SSH")),
    (b"SSH-2.0-libssh2_1.4\r\n", Fingerprint("ssh", "libssh2", "1.4")),
    (b"\x50\0\0\0\n5.6.16-64.1-log\0\x08\0\0\0", Fingerprint("mysql", "Percona Server", "5.6.16-64.1")),
    (b"\x50\0\0\0\n5.5.5-10.6.8-MaxScale\0\x08\0\0", Fingerprint("mysql", "MaxScale")),
    (b"n\0\0\0\n8.0.11-TiDB-v7.5.0\0\x08\0\0\0", Fingerprint("mysql", "TiDB", "7.5.0")),
    (b"n\0\0\0\n5.7.25-OceanBase_CE-v4.2.1.0\0\x08\0", Fingerprint("mysql", "OceanBase", "4.2.1.0")),
    (b"n\0\0\0\n23.8.2.7-ClickHouse\0\x08\0\0", Fingerprint("mysql", "ClickHouse", "23.8.2.7")),
    (b"n\0\0\0\n8.0.30-Vitess\0\x08\0\0", Fingerprint("mysql", "Vitess")),
    (b"n\0\0\0\n6.2.12 dc5144d35@230822\0\x08\0", Fingerprint("mysql", "Manticore Search", "6.2.12")),
    (b"n\0\0\0\nnode.js rocks\0\x08\0\0", Fingerprint("mysql")),
    (b"SSH-2.0-rclone/v1.60.1-DEV\r\n", Fingerprint("ssh", "rclone", "1.60.1-DEV")),
    (b"SSH-2.0-mod_sftp/0.9.9\r\n", Fingerprint("ssh", "mod_sftp", "0.9.9")),
    (b"ceph v027", Fingerprint("ceph", "Ceph")),
    (b"ceph v2\n\x10\0", Fingerprint("ceph", "Ceph")),
    (
        b"$120\r\n# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.25.3\r\n",
        Fingerprint("redis", "Dragonfly", "1.25.3"),
    ),
    (
        b"$120\r\n# Server\r\nversion:2.9.0\r\nkvrocks_version:2.9.0\r\nredis_version:4.0.0\r\n",
        Fingerprint("redis", "Apache Kvrocks", "2.9.0"),
    ),
    (b"HTTP/1.1 200 OK\r\nServer: Apache Tomcat/9.0.5\r\n\r\n", Fingerprint("http", "Apache Tomcat", "9.0.5")),
    (b"HTTP/1.1 200 OK\r\nServer: Apache PHP/7.2\r\n\r\n", Fingerprint("http", "Apache")),
    (b"HTTP/1.1 200 OK\r\nServer: Wing FTP Server(x)\r\n\r\n", Fingerprint("http", "Wing FTP Server")),
    (
        b"HTTP/1.1 200 OK\r\nServer: UPnP/Tomato 1.28.9 MIPSR2 K26 UPnP/1.1 MiniUPnPd/1.8\r\n\r\n",
        Fingerprint("http", "MiniUPnPd", "1.8"),
    ),
    (b"Welcome!\r\nSSH-2.0-OpenSSH_8.0\r\n", Fingerprint("ssh", "OpenSSH", "8.0")),
    (b"220 (vsFTPd 3.0.3)\r\n", Fingerprint("ftp", "vsftpd", "3.0.3")),
    (b"220 ProFTPD 1.3.5e Server (files) [192.0.2.1]\r\n", Fingerprint("ftp", "ProFTPD", "1.3.5e")),
    (b"220-FileZilla Server 1.7.2\r\n220 Please visit\r\n", Fingerprint("ftp", "FileZilla Server", "1.7.2")),
    (b"220---------- Welcome to Pure-FTPd [TLS] ----------\r\n", Fingerprint("ftp", "Pure-FTPd")),
    (b"220 ftp.example.com FTP server ready.\r\n", Fingerprint("ftp", names=("ftp.example.com",))),
    (b"220 mx.example.com ESMTP Postfix (Debian/GNU)\r\n", Fingerprint("smtp", "Postfix", None, ("mx.example.com",))),
    (
        b"220 MX.example.com ESMTP Exim 4.96 Sun, 22 Nov 2026 12:00:00 +0000\r\n",
        Fingerprint("smtp", "Exim", "4.96", ("mx.example.com",)),
    ),
    (b"220 localhost ESMTP\r\n", Fingerprint("smtp")),
    (
        b"220 h.example.com FTP server (Version 6.4/OpenBSD/x-0.17) ready.\r\n",
        Fingerprint("ftp", names=("h.example.com",)),
    ),
    (
        b"HTTP/1.1 200 OK\r\nServer: PHP/8.2 OpenSSL/3.0 swoole-http-server\r\n\r\n",
        Fingerprint("http", "swoole-http-server"),
    ),
    (b"220 h.example.com FTP server (SunOS 5.8) ready.\r\n", Fingerprint("ftp", names=("h.example.com",))),
    (b"HTTP/1.1 200 OK\r\nServer: Python/3.11\r\n\r\n", Fingerprint("http", "Python", "3.11")),
    (
        b"HTTP/1.1 200 OK\r\nServer: Netdata Embedded HTTP Server v1.37.1\r\n\r\n",
        Fingerprint("http", "Netdata", "1.37.1"),
    ),
    (b"HTTP/1.1 503 Service Unavailable\r\n\r\n<h1>503 Service Unavailable</h1>", Fingerprint("http")),
    (
        b"+OK Dovecot (Debian) ready. <1.2@mail.example.com>\r\n",
        Fingerprint("pop3", "Dovecot", None, ("mail.example.com",)),
    ),
    (b"+OK\r\n", Fingerprint("pop3")),
    (b"-ERR too many connections\r\n", Fingerprint("pop3")),
    (b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n", Fingerprint("imap", "Dovecot")),
    (
        b"* OK mail.example.com Cyrus IMAP 3.4.2 server ready\r\n",
        Fingerprint("imap", "Cyrus", "3.4.2", ("mail.example.com",)),
    ),
    (b"[\x00\x00\x00\n8.0.36-0ubuntu0.22.04.1\x00\x08\x00\x00\x00", Fingerprint("mysql", "MySQL", "8.0.36")),
    (b"n\x00\x00\x00\n5.5.5-10.11.6-MariaDB-0+deb12u1\x00\x1e\x00", Fingerprint("mysql", "MariaDB", "10.11.6")),
    (b"n\x00\x00\x00\n11.4.2-MariaDB\x00\x1e\x00", Fingerprint("mysql", "MariaDB", "11.4.2")),
    (
        b"E\x00\x00\x00\xffj\x04Host '192.0.2.9' is not allowed to connect to this MariaDB server",
        Fingerprint("mysql"),
    ),
    (b"HTTP/1.1 200 OK\r\nserver:nginx\r\n\r\nServer: fake/1", Fingerprint("http", "nginx")),
    (b"HTTP/1.0 200 OK\r\nServer: Apache/2.4.57 (Debian)\r\n\r\n", Fingerprint("http", "Apache", "2.4.57")),
    (
        b"HTTP/1.1 302 Found\r\nLocation: https://WWW.example.com:8443/x\r\n\r\n",
        Fingerprint("http", names=("www.example.com",)),
    ),
    (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", Fingerprint("http")),
    (b"HTTP/1.1 302 Found\r\nLocation: https://192.0.2.1/\r\n\r\n", Fingerprint("http")),
    (b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\n\r\n", Fingerprint("http")),
    (b"\x15\x03\x01\x00\x02\x02\x28", Fingerprint("tls")),
    (b"+PONG\r\n", Fingerprint("redis")),
    (b"-NOAUTH Authentication required.\r\n", Fingerprint("redis")),
    (b"$120\r\n# Server\r\nredis_version:7.2.4\r\n", Fingerprint("redis", "Redis", "7.2.4")),
    (
        b"$120\r\n# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.0.1\r\n",
        Fingerprint("redis", "Valkey", "9.0.1"),
    ),
    (b"-ERR wrong number of arguments for 'get' command\r\n", Fingerprint("redis")),
    (b"\xff\xfd\x18\xff\xfd\x20login: ", Fingerprint("telnet")),
    (b"RFB 003.008\n", Fingerprint("vnc")),
    (bytes.fromhex("030000130ed000001234000209080002000000"), Fingerprint("rdp")),
    (b"E\x00\x00\x00\x8dSFATAL\x00VFATAL\x00C0A000\x00", Fingerprint("postgresql")),
    (b"E\x00\x00\x00\x8dSFATAL\x00VFATAL\x00Fpostmaster.c\x00L2\x00\x00", Fingerprint("postgresql", "PostgreSQL")),
    (b"RTSP/1.0 200 OK\r\nServer: Hikvision/1.2\r\n\r\n", Fingerprint("rtsp", "Hikvision", "1.2")),
    (b"@RSYNCD: 31.0\n", Fingerprint("rsync", "rsync")),
    (b"AMQP\x00\x00\x09\x01", Fingerprint("amqp")),
    (b"VERSION 1.6.18\r\n", Fingerprint("memcached", "memcached", "1.6.18")),
    (b":irc.example.com NOTICE * :*** Looking up your hostname...\r\n", Fingerprint("irc", names=("irc.example.com",))),
    (b'INFO {"server_id":"NA","version":"2.9.10","proto":1}\r\n', Fingerprint("nats", "NATS server", "2.9.10")),
    (
        b"200 news.example.com InterNetNews server INN 2.7.0 ready (posting ok)\r\n",
        Fingerprint("nntp", "INN", "2.7.0", ("news.example.com",)),
    ),
    (
        bytes.fromhex("0401002000000100 00000b0006 0100110001 ff 0f0007d00000 00").ljust(32, b"\0"),
        Fingerprint("mssql", "Microsoft SQL Server", "15.0.2000"),
    ),
    (
        b"<?xml version='1.0'?><stream:stream from='chat.example.com' xmlns='jabber:client'><stream:features>",
        Fingerprint("xmpp", names=("chat.example.com",)),
    ),
    (b"\x00\x16\x0b\x00\x00\x00\x06\x00No protocol specified\n", Fingerprint("x11")),
    (
        b"\x01\x00\x0b\x00\x00\x00\xff\x00"
        + (12101007).to_bytes(4, "little")
        + bytes(12)
        + b"\x14\x00"
        + bytes(14)
        + b"The X.Org Foundation",
        Fingerprint("x11", "X.Org", "1.21.1"),
    ),
    (
        b'HTTP/1.1 200 OK\r\n\r\n{"Version":"24.0.7","ApiVersion":"1.43","MinAPIVersion":"1.12"}',
        Fingerprint("http", "Docker Engine", "24.0.7"),
    ),
    (
        b'HTTP/1.1 200 OK\r\n\r\n{"major": "1", "gitVersion": "v1.28.4+k3s2"}',
        Fingerprint("http", "Kubernetes", "1.28.4+k3s2"),
    ),
    (
        b"HTTP/1.1 200 OK\r\nServer: Debian/11 DLNADOC/1.50 UPnP/1.0 MiniDLNA/1.3.0\r\n\r\n",
        Fingerprint("http", "MiniDLNA", "1.3.0"),
    ),
    (
        b"HTTP/1.1 401 x\r\nX-Jenkins: 2.426.1\r\nServer: Jetty(10.0.18)\r\n\r\n",
        Fingerprint("http", "Eclipse Jetty", "10.0.18"),
    ),
]


def named(found: Fingerprint) -> Fingerprint:
    """Return what names the program, without what else an answer shows."""
    return Fingerprint(found.service, found.product, found.version, found.names)


@pytest.mark.parametrize(("raw", "expected"), GREETINGS)
def test_greetings(raw: bytes, expected: Fingerprint) -> None:
    """Each greeting gives its service, product, version and names, and nothing that it does not say."""
    assert named(recognise(raw)) == expected


@pytest.mark.parametrize(
    "raw", [b"", b"\x00", b"hello", b"220", b"220 hello\r\n", b"SSH-", b"HTTP/", b"AMQP", b"\xff", b"* BAD\r\n"]
)
def test_what_could_be_anything_is_nothing(raw: bytes) -> None:
    """Too little, or what several protocols could have said, is not recognised."""
    assert recognise(raw) == Fingerprint()


@pytest.mark.parametrize(
    ("service", "raw", "expected"),
    [
        ("http.server", b"nginx/1.22.1", Fingerprint("http", "nginx", "1.22.1")),
        ("title", b"Welcome", Fingerprint("http")),
        (
            "ssl",
            b"TLS/1.2 cipher:0xc02f, www.example.com, *.example.com",
            Fingerprint("tls", names=("www.example.com",)),
        ),
        ("X509", base64.b64encode(b"0\x82\x03\x42"), Fingerprint("tls")),
        ("pop", b"+OK ready\r\n", Fingerprint("pop3")),
        ("unknown", b"whatever", Fingerprint()),
        ("minecraft", b"whatever", Fingerprint("minecraft")),
        ("ms-wbt-server", b"", Fingerprint("rdp")),
    ],
)
def test_scanners_words(service: str, raw: bytes, expected: Fingerprint) -> None:
    """What a scanner calls a service becomes our word for it, and says what a part of an answer is a part of."""
    assert named(recognise(raw, service=service)) == expected


def test_the_answer_counts_more_than_the_scanner() -> None:
    """A scanner that goes by port numbers is corrected by what was said."""
    assert recognise(b"SSH-2.0-OpenSSH_9.2p1\r\n", service="http") == Fingerprint("ssh", "OpenSSH", "9.2p1")


@pytest.mark.parametrize("start", [raw[:12] for raw, _ in GREETINGS] + [b""])
@given(rest=st.binary(max_size=300), service=st.none() | st.text(max_size=20))
def test_any_bytes(start: bytes, rest: bytes, service: str | None) -> None:
    """Whatever is said: no exception, and text that can be stored and shown on one line."""
    found = recognise(start + rest, service=service)
    for text in (found.service, found.product, found.version, *found.names):
        assert text is None or (text and text.isprintable() and len(text) <= 500)


def test_long_hostile_answers_are_quick() -> None:
    """No pattern takes more than linear time on what is made to hurt it."""
    for start in (
        b"SSH-2.0-",
        b"220 ",
        b"+OK <",
        b"* OK [",
        b"HTTP/1.1 200 OK\r\n",
        b"Server: ",
        b"\x00\x00\x00\x00\xff\x00\x00",
        b":",
    ):
        for filler in (b"a", b"a.", b"<@", b" ", b"\r\n", b"-1"):
            hostile = partial(_recognise_many, start, filler)
            assert_linear(hostile, 400_000)


def _recognise_many(start: bytes, filler: bytes, size: int) -> None:
    recognise(start + filler * (size // len(filler)))
