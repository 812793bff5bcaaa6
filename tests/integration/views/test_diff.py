"""What differs between two scans of any formats, or between two times."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cobalt_tasks.cli import cobalt

NMAP = """<?xml version="1.0"?>
<nmaprun scanner="nmap" start="1">
<host starttime="1" endtime="1760000000"><status state="up" reason="reset"/><address addr="192.0.2.10" addrtype="ipv4"/>
<hostnames><hostname name="www.example.net" type="PTR"/></hostnames><ports>
<port protocol="tcp" portid="21"><state state="open"/></port>
<port protocol="tcp" portid="22"><state state="open"/><service name="ssh" product="OpenSSH" version="8.9p1" method="probed"/></port>
</ports></host>
<runstats><finished time="1" exit="success"/></runstats></nmaprun>
"""
MASSCAN = "#masscan\nopen tcp 22 192.0.2.10 1760600000\nopen tcp 443 192.0.2.11 1760600000\n# end\n"
EXPECTED = ["-21/tcp", "-22/tcp ssh OpenSSH 8.9p1", "+22/tcp", "+443/tcp"]


def lines(*arguments: str) -> list[str]:
    """Return the lines about ports."""
    ran = CliRunner().invoke(cobalt, ["diff", *arguments])
    assert ran.exit_code == 0, (ran.output, ran.exception)
    return [line.replace(" open", "").replace(" ", "", 1) for line in ran.stdout.splitlines() if "/tcp" in line]


@pytest.fixture
def scans(tmp_path: Path) -> tuple[str, str]:
    """Two scans, of nmap and of masscan."""
    first, second = tmp_path / "monday.xml", tmp_path / "tuesday.list"
    first.write_text(NMAP)
    second.write_text(MASSCAN)
    return str(first), str(second)


@pytest.mark.usefixtures("settings")
def test_two_files(scans: tuple[str, str]) -> None:
    """Two files of different tools are compared without a ledger; a file and itself do not differ."""
    assert lines(*scans) == EXPECTED
    assert lines(scans[0], scans[0]) == []
    shown = CliRunner().invoke(cobalt, ["diff", *scans]).output.splitlines()
    assert (" 192.0.2.10" in shown, "+192.0.2.11" in shown, "- name www.example.net" in shown) == (True, True, True)


@pytest.mark.usefixtures("settings", "sqlite_database")
def test_sources_and_times(scans: tuple[str, str]) -> None:
    """Sources of the ledger differ as their files do, and what changed since is the difference of two times."""
    for file in scans:
        CliRunner().invoke(cobalt, ["ingest", file])
    assert lines("1", "2") == EXPECTED
    assert lines("1h", "0s") == ["+443/tcp"]
    for *sides, message in (
        ("1", "1h", "two times"),
        ("gone.xml", scans[1], "'gone.xml' is no file"),
        ("1", "9", "'9' is no"),
    ):
        assert message in str(CliRunner().invoke(cobalt, ["diff", *sides]).exception)
