"""What changed between scans: each difference once, none from scans that did not end well."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes, stats
from cobalt_tasks.threat import store as threat

Ingest = Callable[..., Any]
START = 1760000000
WEEK = 7 * int(DAY)
OPEN = '<state state="open" reason="syn-ack" reason_ttl="64"/>'
CLOSED = '<state state="closed" reason="reset" reason_ttl="64"/>'
REST = '<extraports state="{}" count="900"/>'
END = '<runstats><finished time="1" exit="{}"/><hosts up="1" down="0" total="1"/></runstats></nmaprun>\n'


def ssh(version: str) -> str:
    """Return what nmap -sV reports of an SSH server."""
    return f'{OPEN}<service name="ssh" product="OpenSSH" version="{version}" method="probed" conf="10"/>'


def host(address: str, at: int, ports: dict[int, str], rest: str = "filtered") -> str:
    """Return a host of a scan that ended at `at`."""
    listed = "".join(f'<port protocol="tcp" portid="{port}">{what}</port>' for port, what in ports.items())
    return (
        f'<host starttime="{at - 5}" endtime="{at}"><status state="up" reason="reset"/>'
        f'<address addr="{address}" addrtype="ipv4"/><ports>{REST.format(rest)}{listed}</ports></host>\n'
    )


def scan(path: Path, *hosts: str, end: str | None = "success") -> Path:
    """Write the report of a scan; without `end` it was cut."""
    head = '<?xml version="1.0"?>\n<nmaprun scanner="nmap" start="1">\n'
    head += '<scaninfo type="syn" protocol="tcp" numservices="1000" services="1-1000,8080"/>\n'
    path.write_text(head + "".join(hosts) + (END.format(end) if end else ""))
    return path


def found(database: Database) -> list[tuple[Any, ...]]:
    """Return (kind, address, port, old, new) of all changes, the oldest first."""
    with database.reading() as connection:
        rows = changes.page(connection, 500, after=0)
    return [tuple(row[name] for name in ("kind", "address", "port", "old", "new")) for row in rows]


def first(tmp_path: Path) -> Path:
    """Return the first scan: FTP, SSH and a web server on one host."""
    known = {21: OPEN, 22: ssh("8.9p1"), 80: OPEN}
    return scan(tmp_path / "first.xml", host("192.0.2.10", START, known))


def second(tmp_path: Path, **how: Any) -> Path:
    """Return the second scan: FTP is closed, SSH was upgraded, 8080 is new, and so is a host."""
    known = {21: CLOSED, 22: ssh("9.6p1"), 80: OPEN, 8080: OPEN}
    hosts = host("192.0.2.10", START + WEEK, known), host("192.0.2.11", START + WEEK, {22: OPEN, 443: OPEN})
    return scan(tmp_path / "second.xml", *hosts, **how)


def test_two_scans_a_week_apart(database: Database, ingest: Ingest, tmp_path: Path) -> None:
    """The first scan is one change; of the second each difference is one; the same files again are none."""
    ingest(first(tmp_path))
    assert found(database) == [("networks scanned", "", 0, None, None)]
    ingest(second(tmp_path))
    expected = {
        ("networks scanned", "", 0, None, None),
        ("port closed", "192.0.2.10", 21, None, None),
        ("version changed", "192.0.2.10", 22, "ssh OpenSSH 8.9p1", "ssh OpenSSH 9.6p1"),
        ("port opened", "192.0.2.10", 8080, None, None),
        ("host found", "192.0.2.11", 0, None, None),
    }
    known = found(database)
    assert (len(known), set(known)) == (5, expected)
    for again in (first(tmp_path), second(tmp_path)):
        ingest(again)
        # As another source, whose every record is read again.
        copy = again.with_name(f"copy-of-{again.name}")
        copy.write_text(again.read_text().replace('start="1"', 'start="2"'))
        ingest(copy)
    assert found(database) == known
    with database.reading() as connection:
        closed = select(models.ports.c.port, models.ports.c.closed_since).where(
            models.ports.c.closed_since.is_not(None)
        )
        assert connection.execute(closed).all() == [(21, START + WEEK)]
        assert stats.totals(connection).ports == 5
        assert {port.port for port in threat.known(connection, ["192.0.2.10"])[0].ports} == {22, 80, 8080}
    shown = CliRunner().invoke(cobalt, ["changes", "--since", "last", "--host", "192.0.2.10"])
    assert shown.exit_code == 0, shown.output
    assert "  port 21/tcp is closed now" in shown.output
    assert "port 22/tcp runs ssh OpenSSH 9.6p1 now, before ssh OpenSSH 8.9p1" in shown.output


@pytest.mark.parametrize("end", [None, "error"])
def test_a_scan_that_did_not_end_well_closes_nothing(
    database: Database, ingest: Ingest, tmp_path: Path, end: str | None
) -> None:
    """Neither a port reported closed nor one that is absent is closed by a cut or failed scan."""
    ingest(first(tmp_path))
    ingest(second(tmp_path, end=end))
    assert "port closed" not in {kind for kind, *_ in found(database)}
    with database.reading() as connection:
        assert not connection.execute(select(models.ports).where(models.ports.c.unconfirmed_since.is_not(None))).all()


def test_absence(database: Database, ingest: Ingest, tmp_path: Path) -> None:
    """Absent once is not confirmed, twice in a row closed; at once where all other ports were closed; then open again."""
    ingest(first(tmp_path))
    target = "192.0.2.10"
    ingest(scan(tmp_path / "a.xml", host(target, START + WEEK, {22: OPEN})))
    assert len(found(database)) == 1
    ingest(scan(tmp_path / "b.xml", host(target, START + 2 * WEEK, {21: OPEN})))
    ingest(scan(tmp_path / "c.xml", host(target, START + 3 * WEEK, {21: OPEN})))
    ingest(scan(tmp_path / "old.xml", host(target, START + WEEK + 9, {80: OPEN})))
    ingest(scan(tmp_path / "d.xml", host(target, START + 4 * WEEK, {22: OPEN, 80: OPEN}, "closed")))
    assert sorted(found(database)[1:]) == [
        ("port closed", target, 21, None, None),
        ("port closed", target, 22, None, None),
        ("port closed", target, 80, None, None),
        ("port reopened", target, 22, "2025-10-30", None),
        ("port reopened", target, 80, "2025-10-23", None),
    ]
