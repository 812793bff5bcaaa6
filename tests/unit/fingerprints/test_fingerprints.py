"""Fingerprints of recog's form are checked before they are used, and add to what our own recognisers know."""

import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.errors import FingerprintsError
from cobalt_tasks.fingerprints import compiling, install, manifest, recog_xml
from cobalt_tasks.fingerprints.examples import failures
from cobalt_tasks.fingerprints.fields import values_of
from cobalt_tasks.fingerprints.installed import Fingerprints
from cobalt_tasks.protocols import Fingerprint, recognise
from cobalt_tasks.protocols.details import cpe, details_of
from tests.support.waiting import assert_linear

SERVERS = rb"""<?xml version='1.0' encoding='UTF-8'?>
<fingerprints matches="http_header.server" protocol="http" database_type="service">
  <!-- ours -->
  <fingerprint pattern="^Tinker-(\w+)/([\d.]+)$">
    <description>A web server of a device</description>
    <example service.version="4.2" hw.product="Tinker T9">Tinker-T9/4.2</example>
    <param pos="0" name="service.vendor" value="Tinker"/>
    <param pos="0" name="service.product" value="HTTPD"/>
    <param pos="2" name="service.version"/>
    <param pos="0" name="service.cpe23" value="cpe:/a:tinker:web%21server:{service.version}"/>
    <param pos="0" name="hw.vendor" value="Tinker"/>
    <param pos="1" name="hw.model"/>
    <param pos="0" name="hw.product" value="Tinker {hw.model}"/>
    <param pos="0" name="hw.device" value="IP Camera"/>
  </fingerprint>
  <fingerprint pattern="^nginx/([\d.]+) \(Oslo\)$" flags="REG_ICASE">
    <description>A build</description>
    <example service.version="1.2">NGINX/1.2 (oslo)</example>
    <param pos="0" name="service.product" value="nginx"/>
    <param pos="1" name="service.version"/>
    <param pos="0" name="os.vendor" value="Debian"/>
    <param pos="0" name="os.product" value="Linux"/>
    <param pos="0" name="os.version" value="12"/>
    <param pos="0" name="os.cpe23" value="cpe:/o:debian:debian_linux:12"/>
  </fingerprint>
</fingerprints>
"""

TITLES = rb"""<fingerprints matches="html_title">
  <fingerprint pattern="^Garden Gate\Z"><example>Garden Gate</example>
    <param pos="0" name="service.product" value="Garden Gate"/></fingerprint>
</fingerprints>"""


def file_of(*fingerprints: bytes) -> bytes:
    """Return a file for the field `f`."""
    return b'<fingerprints matches="f">' + b"".join(fingerprints) + b"</fingerprints>"


GOOD = b'<fingerprint pattern="^a(.)"><example x="b">ab</example><param pos="1" name="x"/></fingerprint>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files of fingerprints."""
    source = tmp_path / "source"
    (source / "xml").mkdir(parents=True)
    (source / "xml" / "servers.xml").write_bytes(SERVERS)
    (source / "xml" / "titles.xml").write_bytes(TITLES)
    return source


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    """Run `cobalt fingerprints` with a COBALT_HOME of its own."""
    (tmp_path / "home").mkdir(mode=0o700)
    home = {"COBALT_HOME": str(tmp_path / "home")}

    def invoke(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(cobalt, ["fingerprints", *arguments], env={**home, **environ})

    return invoke


def installed(tmp_path: Path, folder: Path) -> Fingerprints:
    """Return installed fingerprints."""
    install.add(tmp_path / "installed", folder)
    return Fingerprints(tmp_path / "installed")


def test_examples_are_recognised_with_their_values(tmp_path: Path, folder: Path) -> None:
    """References in values are replaced, Ruby's flags and anchors keep their meaning, and every example has its values."""
    found = install.add(tmp_path / "installed", folder)
    assert (found.patterns, found.examples, found.left_out) == (3, 3, 0)
    fields = manifest.patterns(tmp_path / "installed", found)
    assert not list(failures(fields, manifest.examples(tmp_path / "installed", found)))


def test_what_ours_leaves_open_is_filled(tmp_path: Path, folder: Path) -> None:
    """A product of which only the first word of a header was known gets its name, CPE, hardware and device, with sources."""
    raw = b"HTTP/1.1 200 OK\r\nServer: Tinker-T9/4.2\r\n\r\n<title>Garden Gate</title>"
    known = installed(tmp_path, folder).enriched(recognise(raw), raw)
    assert (known.service, known.product, known.version, known.device) == ("http", "Tinker HTTPD", "4.2", "camera")
    assert cpe(known) == "cpe:2.3:a:tinker:web\\!server:4.2:*:*:*:*:*:*:*"
    details = json.loads(details_of(known) or "")
    assert (details["hardware"], details["application"]) == ("Tinker T9", "Garden Gate")
    assert details["sources"]["product"] == "recog http_header.server"


def test_ours_goes_first(tmp_path: Path, folder: Path) -> None:
    """A known product and version stay; the operating system is added."""
    raw = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1 (Oslo)\r\n\r\n"
    known = installed(tmp_path, folder).enriched(recognise(raw), raw)
    assert (known.product, known.version, known.os) == ("nginx", "1.22.1", "Debian Linux")
    assert known.extras["os_cpe"] == "cpe:2.3:o:debian:debian_linux:12:*:*:*:*:*:*:*"
    assert set(known.sources) == {"os"}


def test_without_any_nothing_changes(tmp_path: Path) -> None:
    """Without fingerprints, ours is all there is."""
    known = Fingerprint("http", "x")
    assert Fingerprints(tmp_path / "none").enriched(known, b"HTTP/1.1 200 OK\r\n\r\n") is known


def test_a_new_installation_is_used_at_once(tmp_path: Path, folder: Path) -> None:
    """A process that runs on uses what was installed meanwhile."""
    used = Fingerprints(tmp_path / "installed")
    raw = b"HTTP/1.1 200 OK\r\nServer: Tinker-T9/4.2\r\n\r\n"
    assert used.enriched(recognise(raw), raw).product == "Tinker-T9"
    install.add(tmp_path / "installed", folder)
    assert used.enriched(recognise(raw), raw).product == "Tinker HTTPD"


@pytest.mark.parametrize(
    "content",
    [
        b"<fingerprints",
        b"<other/>",
        b'<!DOCTYPE f [<!ENTITY a "b">]><fingerprints/>',
        b'<!DOCTYPE f SYSTEM "file:///etc/passwd"><fingerprints/>',
        file_of(b'<fingerprint pattern=""></fingerprint>'),
        file_of(b'<fingerprint pattern="' + b"a" * 5000 + b'"></fingerprint>'),
        file_of(b'<fingerprint pattern="a"><param pos="x" name="y"/></fingerprint>'),
        file_of(b'<fingerprint pattern="a"><example _encoding="base64">!</example></fingerprint>'),
    ],
    ids=["cut", "other", "entities", "external", "empty", "long", "position", "base64"],
)
def test_bad_files_are_refused(content: bytes) -> None:
    """What is no XML, has a document type, or is not of recog's form is an error that names the file."""
    with pytest.raises(FingerprintsError, match=r"bad\.xml"):
        recog_xml.parse("bad", content)


def test_single_patterns_are_left_out() -> None:
    """A pattern that does not compile, is too large, or fails its example is left out with a reason; the others stay."""
    bad = (
        b'<fingerprint pattern="(a"/>',
        b'<fingerprint pattern="(a)(?=b)"/>',
        b'<fingerprint pattern="((a{1,900}){1,900})"/>',
        b'<fingerprint pattern="a"><example>b</example></fingerprint>',
        b'<fingerprint pattern="a"><param pos="3" name="x"/></fingerprint>',
    )
    checked = compiling.check([recog_xml.parse("f", file_of(GOOD, *bad))])
    assert (checked.patterns, len(checked.left_out), len(checked.examples)) == (1, len(bad), 1)


def test_matching_takes_linear_time() -> None:
    """A pattern on which other engines need exponential time is harmless."""
    evil = rb'<fingerprint pattern="^(a+)+(a|b|ab)*(a+)+$"/>'
    fields = compiling.check([recog_xml.parse("f", file_of(evil))]).fields
    from cobalt_tasks.fingerprints.matcher import FieldMatcher

    matcher = FieldMatcher(fields["f"])
    assert_linear(lambda size: matcher.find("a" * size + "!"), 2000)


def test_commands(run: Callable[..., Result], folder: Path) -> None:
    """Update from a folder, then info and test."""
    assert "No fingerprints" in run("info").output
    assert run("test").exit_code == 1
    assert run("update", "--from", str(folder)).exit_code == 0
    assert json.loads(run("info", "--json").output)["installed"]["patterns"] == 3
    found = run("test")
    assert (found.exit_code, found.output) == (0, "3 of 3 examples have the values they were made for\n")


def archive_of(folder: Path, target: Path) -> Path:
    """Write a release archive of fingerprints."""
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as packed:
            for path in folder.rglob("*.xml"):
                packed.write(path, f"recog-1.0/{path.relative_to(folder)}")
            packed.writestr("recog-1.0/spec/broken.xml", "<")
    else:
        with tarfile.open(target, "w:gz") as written:
            written.add(folder, "recog-1.0")
            broken = tarfile.TarInfo("recog-1.0/spec/broken.xml")
            broken.size = 1
            written.addfile(broken, io.BytesIO(b"<"))
    return target


@pytest.mark.parametrize("name", ["recog.tar.gz", "recog.zip"])
def test_archives(run: Callable[..., Result], folder: Path, tmp_path: Path, name: str) -> None:
    """An archive's folder `xml` counts; what its own tests need does not."""
    found = run("update", "--from", str(archive_of(folder, tmp_path / name)))
    assert (found.exit_code, found.output.splitlines()[0][:10]) == (0, "3 patterns")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8bcut", b"PK\x03\x04cut"])
def test_a_bad_file_changes_nothing(run: Callable[..., Result], folder: Path, tmp_path: Path, content: bytes) -> None:
    """One line, exit code 1, and the old fingerprints stay."""
    run("update", "--from", str(folder))
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(content)
    found = run("update", "--from", str(bad))
    assert isinstance(found.exception, FingerprintsError)
    assert str(bad) in str(found.exception)
    assert "\n" not in str(found.exception)
    assert json.loads(run("info", "--json").output)["installed"]["patterns"] == 3
    assert not list((tmp_path / "home" / "fingerprints").glob(".update-*"))


def test_a_file_of_bad_patterns_changes_nothing(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    """Where most patterns cannot be used, none is installed."""
    run("update", "--from", str(folder))
    bad = tmp_path / "bad.xml"
    bad.write_bytes(file_of(GOOD, b'<fingerprint pattern="("/>', b'<fingerprint pattern=")"/>'))
    assert isinstance(run("update", "--from", str(bad)).exception, FingerprintsError)
    assert json.loads(run("info", "--json").output)["installed"]["patterns"] == 3


def test_files_are_private(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    """What is installed is open to its user alone, as all of COBALT_HOME."""
    run("update", "--from", str(folder))
    place = tmp_path / "home" / "fingerprints"
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_damaged_files_are_noticed(tmp_path: Path, folder: Path) -> None:
    """Patterns that are not those installed are not used; recognition goes on without."""
    used = installed(tmp_path, folder)
    for path in (tmp_path / "installed").glob("patterns-*"):
        path.write_bytes(b"\x80")
    raw = b"HTTP/1.1 200 OK\r\nServer: Tinker-T9/4.2\r\n\r\n"
    assert used.enriched(recognise(raw), raw).product == "Tinker-T9"


class _GitHub(BaseHTTPRequestHandler):
    """Answers as GitHub does: the latest release leads to its page, the archive to another address."""

    packed: ClassVar[bytes]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        leads_to = {
            "/r7/recog/releases/latest": "/r7/recog/releases/tag/v1.0",
            "/r7/recog/archive/refs/tags/v1.0.tar.gz": "/codeload/v1.0",
            "/loop": "/loop",
            "/down": "ftp://127.0.0.1/",
        }.get(self.path)
        body = self.packed if self.path == "/codeload/v1.0" else b""
        self.send_response(302 if leads_to else 200 if body else 404)
        if leads_to:
            url = leads_to if ":" in leads_to else f"http://127.0.0.1:{self.server.server_port}{leads_to}"  # type: ignore[attr-defined]
            self.send_header("Location", url)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Write nothing."""


@pytest.fixture
def github(folder: Path, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server like GitHub: its URL, and what it was asked for."""
    asked: list[str] = []
    packed = archive_of(folder, tmp_path / "packed.tar.gz").read_bytes()
    handler = type("_Handler", (_GitHub,), {"packed": packed, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=partial(server.serve_forever, poll_interval=0.05), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_the_latest_release_is_downloaded(run: Callable[..., Result], github: tuple[str, list[str]]) -> None:
    """From the page of the latest release to its archive."""
    url, asked = github
    found = run("update", COBALT_FINGERPRINTS_URL=f"{url}/r7/recog/releases/latest")
    assert found.exit_code == 0, found.exception
    assert asked[-1] == "/codeload/v1.0"
    assert json.loads(run("info", "--json").output)["installed"]["source"] == f"{url}/codeload/v1.0"


@pytest.mark.parametrize("path", ["/missing", "/loop", "/down"])
def test_failed_downloads_are_one_line(run: Callable[..., Result], github: tuple[str, list[str]], path: str) -> None:
    """No archive, no end of redirects, and another scheme than HTTP."""
    url, _ = github
    found = run("update", COBALT_FINGERPRINTS_URL=url + path)
    assert isinstance(found.exception, FingerprintsError)
    assert "\n" not in str(found.exception)


def test_offline_downloads_nothing(run: Callable[..., Result]) -> None:
    """COBALT_OFFLINE wants a file."""
    assert "--from" in str(run("update", COBALT_OFFLINE="true").exception)


@pytest.mark.parametrize(
    ("known", "raw", "expected"),
    [
        (Fingerprint("ssh"), b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", ("ssh.banner", "OpenSSH_9.2p1 Debian-2")),
        (Fingerprint("ftp"), b"220 (vsFTPd 3.0.3)\r\n", ("ftp.banner", "(vsFTPd 3.0.3)")),
        (Fingerprint("imap"), b"* OK Cyrus ready\r\n", ("imap4.banner", "Cyrus ready")),
        (Fingerprint("pop3"), b"+OK ready\r\n", ("pop3.banner", "ready")),
        (Fingerprint("telnet"), b"\xff\xfd\x18\xff\xfd\x20\r\nlogin: ", ("telnet_banners", "login:")),
        (Fingerprint("mysql"), b"[\x00\x00\x00\n8.0.36-x\x00\x08", ("mysql.banners", "8.0.36-x")),
        (Fingerprint("dns", info="dnsmasq-2.89"), b"", ("dns.versionbind", "dnsmasq-2.89")),
        (Fingerprint("snmp", extras={"description": "Linux a"}), b"", ("snmp.sys_description", "Linux a")),
        (Fingerprint("sip"), b"SIP/2.0 200 OK\r\nUser-Agent: X/1\r\n\r\n", ("sip_header.user_agent", "X/1")),
        (Fingerprint("rtsp"), b"RTSP/1.0 200 OK\r\nServer: X/1\r\n\r\n", ("rtsp_header.server", "X/1")),
        (Fingerprint("smb"), b"\x00S\x00a\x00m\x00b\x00a\x00 \x004\x00\x00\x00", ("smb.native_lm", "Samba 4")),
        (Fingerprint("http"), b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n", ("http_header.cookie", "a=b")),
        (Fingerprint("http"), b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\n", ("http_header.wwwauth", "Basic")),
    ],
)
def test_values_of_answers(known: Fingerprint, raw: bytes, expected: tuple[str, str]) -> None:
    """Each field of an answer is looked up by recog's name for it."""
    assert expected in list(values_of(known, raw))
