"""Ingest is killed again and again, at any moment; what is in the tables afterwards was counted outside."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from cobalt_tasks.db import schema
from cobalt_tasks.db.engine import Database

pytestmark = pytest.mark.long

LINES = 1_000_000
KILLS = 50
NOISE = 997
"""One line in so many is noise, and one after it a heartbeat."""


def feed(lines: int) -> Iterator[tuple[str, tuple[str, int] | None]]:
    """Give lines, each with the peer and port it names, or None for what is no connection."""
    draw = random.Random(11)
    for number in range(lines):
        if number % NOISE == 0:
            yield f"noise {number}\n", None
        elif number % NOISE == 1:
            yield '{"type": "heartbeat", "scan_count": 1}\n', None
        else:
            peer = f"198.51.{draw.randrange(100, 104)}.{draw.randrange(256)}"
            port = draw.randrange(1, 1000)
            yield (
                (
                    f'{{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "{peer}", "dst_port": {port}, '
                    f'"timestamp": 1760000000.5, "metadata": {{"protocol": "TCP", "process": "curl"}}}}\n'
                ),
                (peer, port),
            )


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("lines", "kills"), [(LINES, KILLS)])
def test_nothing_is_lost_or_doubled_on_sqlite(
    lines: int,
    kills: int,
    sqlite_database: Database,
    home: Path,
    tmp_path: Path,
) -> None:
    """Fifty kills during a million lines."""
    _check(sqlite_database, tmp_path / "capture", lines, kills)


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_on_postgresql(
    postgres_url: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same on PostgreSQL, where a killed connection's transaction is rolled back by the server."""
    monkeypatch.setenv("COBALT_DATABASE_URL", postgres_url)
    database = Database(postgres_url)
    schema.upgrade(database)
    _check(database, tmp_path / "capture", LINES, KILLS)
    database.dispose()


def _check(database: Database, file: Path, lines: int, kills: int) -> None:
    expected: Counter[tuple[str, int]] = Counter()
    others = 0
    with file.open("w") as out:
        for line, target in feed(lines):
            out.write(line)
            if target is None:
                others += 1
            else:
                expected[target] += 1
    size = file.stat().st_size
    draw = random.Random(12)
    targets = sorted(draw.randrange(size) for _ in range(kills))
    killed = sum(_kill_at(database, file, target, draw) for target in targets)
    assert killed > kills // 2
    done = subprocess.run(_command(file), env={**os.environ}, capture_output=True, text=True, check=True)
    counted = int(subprocess.run(["wc", "-l", file], capture_output=True, text=True, check=True).stdout.split()[0])
    assert counted == lines
    noise = -(-lines // NOISE)
    with database.reading() as connection:
        ledger = connection.execute(
            text("SELECT position, read, accepted, duplicates, rejected, ignored FROM sources"),
        ).one()
        grouped = connection.execute(text("SELECT dst_ip, dst_port, count(*) FROM observations GROUP BY 1, 2"))
        got = {(row[0], row[1]): row[2] for row in grouped}
        hosts = connection.execute(text("SELECT address, first_seen, last_seen FROM hosts")).all()
        jobs = connection.execute(text("SELECT kind, address, count(*) FROM jobs GROUP BY 1, 2")).all()
        kept = connection.execute(text("SELECT count(*), count(DISTINCT position) FROM rejects")).one()
    assert tuple(ledger) == (size, lines, lines - others, 0, noise, others - noise), done.stdout
    assert got == expected
    addresses = {address for address, _ in expected} | {"192.0.2.2"}
    assert {tuple(row) for row in hosts} == {(address, 1760000000.5, 1760000000.5) for address in addresses}
    # Documentation addresses are never sent to a provider; the rest of that /16 is.
    public = {address for address in addresses if not address.startswith(("198.51.100.", "192.0.2."))}
    named = {("domain", address, 1) for address in addresses}
    assert {tuple(row) for row in jobs} == named | {("geolocation", address, 1) for address in public}
    assert tuple(kept) == (noise, noise)


def _command(file: Path) -> list[str]:
    return [sys.executable, "-c", "from cobalt_tasks.cli import main; main()", "ingest", str(file)]


def _kill_at(database: Database, file: Path, target: int, draw: random.Random) -> bool:
    """Ingest until about a position, and kill; tell whether the process was still at work."""
    process = subprocess.Popen(_command(file), env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and _position(database) < target:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.03))
    at_work = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return at_work


def _position(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(text("SELECT coalesce(max(position), 0) FROM sources")).scalar_one())
