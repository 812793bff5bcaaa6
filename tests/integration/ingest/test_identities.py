"""One connection is one row, whichever logs and files of its tool it stands in, in whichever order, also after a kill."""

import gzip
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.connections import identified
from cobalt_tasks.ingest.store import sources, write_batch
from tests.integration.ingest.conftest import commands
from tests.support.waiting import wait_until

Ingest = Callable[..., Any]
START = 1760000000.0


def line(authority: Authority = Authority.LOG, at: float = START, reverse: bool = False, **details: Any) -> Observation:
    """Return a line of the one connection, seen from either end."""
    ends = {"src_ip": "192.0.2.2", "src_port": 40000, "dst_ip": "203.0.113.80", "dst_port": 443}
    if reverse:
        ends = {"src_ip": "203.0.113.80", "src_port": 443, "dst_ip": "192.0.2.2", "dst_port": 40000}
    return Observation(
        **ends,  # type: ignore[arg-type]
        identity="1",
        authority=authority,
        observed_at=at,
        details=json.dumps(details) if details else None,
    )


LINES = (
    line(Authority.PACKET, START + 5, reverse=True, direction="by port", alert=[{"signature": "one"}]),
    line(Authority.LOG, START + 1, sni="www.example.com", version="TLS 1.2", bytes=5),
    line(Authority.FLOW, START, service="tls", version="1.1", bytes=300),
    line(Authority.PACKET, START + 7, alert=[{"signature": "two"}]),
)
WHOLE = {
    "alert": [{"signature": "one"}, {"signature": "two"}],
    "bytes": 300,
    "service": "tls",
    "sni": "www.example.com",
    "version": ["1.1", "TLS 1.2"],
}


def batch_of(*lines: Observation, tool: str = "suricata", source_id: int = 1) -> Batch:
    """Return a batch of lines."""
    batch = Batch(source_id, START + 100, tool)
    for each in lines:
        batch.observe(each)
    return batch


def stored(database: Database) -> list[dict[str, Any]]:
    """Return all connections, their details decoded."""
    with database.reading() as connection:
        rows = [dict(row) for row in connection.execute(select(models.observations)).mappings()]
    return [{**row, "details": json.loads(row["details"] or "{}")} for row in rows]


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_lines_join_in_any_order(database: Database, cut: int) -> None:
    """In one batch or in several, from one source or more: the same row, decided by the line that knows best.

    Break: `precedes`, or the order of values in `_both`, in ingest/connections.py.
    """
    for number, order in enumerate(itertools.permutations(LINES)):
        tool = f"tool {number}"
        counted = 0
        for source, start in enumerate(range(0, len(order), cut)):
            batch = batch_of(*order[start : start + cut], tool=tool, source_id=source)
            tally = database.write(write_batch.write, batch)
            assert (tally.read, tally.rejected, tally.ignored) == (len(order[start : start + cut]), 0, 0)
            assert tally.accepted + tally.duplicates == tally.read
            counted += tally.accepted
        assert counted == 1
        row = stored(database)[-1]
        assert row["details"] == WHOLE
        assert (row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"]) == (
            "192.0.2.2",
            40000,
            "203.0.113.80",
            443,
        )
        assert row["observed_at"] == START
    assert len(stored(database)) == 24


@given(st.permutations(range(6)), st.lists(st.integers(0, 2), min_size=6, max_size=6), st.integers(0, 2**32))
def test_joining_does_not_depend_on_the_order(order: list[int], ranks: list[int], seed: int) -> None:
    """Whatever the lines report: ends, times and details are those of any other order."""
    draw = random.Random(seed)
    lines = [
        line(
            Authority(rank),
            START + draw.randrange(3),
            draw.random() < 0.5,
            **{(name := draw.choice(list(VALUES))): draw.choice(VALUES[name])},
        )
        for rank in ranks
    ]

    def joined(numbers: Iterator[int] | list[int]) -> Any:
        first, *others = [identified(lines[number], lines[number].observed_at or 0) for number in numbers]
        for each in others:
            first.join(each)
        return first

    assert joined(order) == joined(list(range(6)))


VALUES: dict[str, list[Any]] = {
    "number": [1, 2.5, 7],
    "text": ["x", "y", ["x"], ["z", "y"], "z"],
    "alerts": [[{"n": 1}], [{"n": 2}, {"n": 1, "m": 3}], [{"n": 2, "m": [1]}]],
}


def test_details_have_a_bound_and_show_it(database: Database) -> None:
    """Alerts without end: 32 are kept of a list, and what would grow past the bound is left out with a mark."""
    database.write(write_batch.write, batch_of(*(line(alert=[{"signature": f"{n:05}"}]) for n in range(100))))
    ((row),) = stored(database)
    assert len(row["details"]["alert"]) == 32
    database.write(write_batch.write, batch_of(line(long="x" * 20_000)))
    ((row),) = stored(database)
    assert row["details"]["cut"] is True
    assert len(json.dumps(row["details"])) < 20_000


def test_identities_of_two_tools_never_meet(database: Database) -> None:
    """The same text from another tool, or from the same between other ends, is another connection; Zeek's is unique."""
    for tool in ("zeek", "suricata"):
        database.write(write_batch.write, batch_of(line(), tool=tool))
    other = Observation(src_ip="192.0.2.3", dst_ip="203.0.113.80", dst_port=443, identity="1")
    assert database.write(write_batch.write, batch_of(other, tool="suricata")).accepted == 1
    assert database.write(write_batch.write, batch_of(other, tool="zeek")).duplicates == 1
    assert len(stored(database)) == 3


def test_a_connection_that_was_forgotten_is_stored_anew(database: Database) -> None:
    """Forgetting its source deletes the row and its identity; an identity that leads to another's row joins nothing.

    Break: the comparison of `identity` in ingest/store/identities.py, or `_forget_identified` in hosts/forget.py.
    """
    made = database.write(sources.create, "a")
    database.write(write_batch.write, batch_of(line(sni="old"), source_id=made.id))
    sources.forget(database, made.id)
    with database.reading() as connection:
        assert connection.execute(select(models.identities)).all() == []
    database.write(write_batch.write, batch_of(line(sni="new")))
    with database.writing() as connection:
        connection.execute(text("UPDATE observations SET identity = 'another'"))
    assert database.write(write_batch.write, batch_of(line(sni="newest"))).duplicates == 1
    assert [row["details"]["sni"] for row in stored(database)] == ["new"]


def test_two_writers_of_the_same_connections(database: Database) -> None:
    """Two logs of one tool, read at once: each connection is one row, and one of the two writers counts it.

    Break: look for known keys before inserting instead of after.
    """
    many = [
        Observation(src_ip="192.0.2.2", dst_ip="203.0.113.80", dst_port=443, identity=f"C{n}", details=None)
        for n in range(400)
    ]
    tallies = []

    def read(lines: list[Observation], source_id: int, name: str) -> None:
        for start in range(0, len(lines), 50):
            batch = Batch(source_id, START, "zeek")
            for each in lines[start : start + 50]:
                batch.observe(
                    Observation(
                        src_ip=each.src_ip,
                        dst_ip=each.dst_ip,
                        dst_port=each.dst_port,
                        identity=each.identity,
                        details=json.dumps({name: 1}),
                    )
                )
            tallies.append(database.write(write_batch.write, batch))

    threads = [
        threading.Thread(target=read, args=(many, 1, "one")),
        threading.Thread(target=read, args=(many[::-1], 2, "two")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.accepted for each in tallies) == sum(each.duplicates for each in tallies) == 400
    assert [row["details"] for row in stored(database)] == [{"one": 1, "two": 1}] * 400


def zeek_logs(folder: Path, connections: int) -> list[Path]:
    """Write conn.log and ssl.log of one Zeek as JSON, the first rotated: a plain half and a compressed copy of all."""
    conn, ssl = [], []
    for n in range(connections):
        ends = {"id.orig_h": f"192.0.2.{n % 200}", "id.orig_p": 1024 + n, "id.resp_h": "203.0.113.80", "id.resp_p": 443}
        conn.append({"ts": START + n, "uid": f"C{n}", **ends, "proto": "tcp", "orig_bytes": n, "conn_state": "SF"})
        ssl.append(
            {"ts": START + n + 0.5, "uid": f"C{n}", **ends, "version": "TLSv12", "server_name": f"h{n}.example.com"}
        )
    whole = "".join(json.dumps(each) + "\n" for each in conn)
    files = [folder / "conn.log", folder / "conn.2025.log.gz", folder / "ssl.log"]
    files[0].write_text("".join(whole.splitlines(keepends=True)[: connections // 2]))
    with gzip.open(files[1], "wt") as out:
        out.write(whole)
    files[2].write_text("".join(json.dumps(each) + "\n" for each in ssl))
    return files


def test_logs_and_copies_are_one_with_kills_in_between(database: Database, home: Path, tmp_path: Path) -> None:
    """ssl.log, then conn.log's rotated and compressed copy, then conn.log, killed twice: one row for each connection."""
    conn, rotated, ssl = map(str, zeek_logs(tmp_path, 3000))
    with commands() as begin:
        for seen in (1, 3001):
            process = begin(ssl, rotated, conn, "--json")
            wait_until(
                lambda seen=seen, process=process: process.poll() is not None or read_so_far(database) >= seen,
                "lines are stored",
            )
            process.kill()
            process.wait()
        done = begin(ssl, rotated, conn, "--json")
        done.communicate()
        assert done.returncode == 0
    rows = stored(database)
    assert len(rows) == 3000
    for row in rows:
        n = int(row["identity"][1:])
        assert (row["observed_at"], row["protocol"], row["src_port"]) == (START + n, "tcp", 1024 + n)
        assert row["details"].items() >= {"orig_bytes": n, "server_name": f"h{n}.example.com"}.items()
    with database.reading() as connection:
        counted = connection.execute(text("SELECT sum(read), sum(accepted), sum(duplicates) FROM sources")).one()
    assert tuple(counted) == (7500, 3000, 4500)


def read_so_far(database: Database) -> int:
    """Return how many lines are read."""
    with database.reading() as connection:
        return int(connection.execute(text("SELECT coalesce(sum(read), 0) FROM sources")).scalar_one())


def test_a_partial_line_that_joined_is_undone(database: Database, ingest: Ingest, tmp_path: Path) -> None:
    """A last line without its newline joins a connection or makes one; when it has grown, no trace of it is left.

    Break: `_separate` in ingest/store/partial_line.py.
    """
    head = "#separator \\x09\n#path\t{}\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t{}\n"
    row = f"{START}\t{{}}\t192.0.2.2\t1024\t203.0.113.80\t443\t{{}}"
    conn = tmp_path / "conn.log"
    conn.write_text(head.format("conn", "proto") + row.format("C1", "tcp") + "\n")
    ingest(conn)
    for uid, number in (("C1", 1), ("C2", 2)):
        ssl = tmp_path / f"{uid}.log"
        ssl.write_text(head.format("ssl", "server_name") + row.format(uid, "www.example"))
        ingest(ssl)
        ingest(ssl)
        assert [each["details"].get("server_name") for each in stored(database)][-1] == "www.example"
        with ssl.open("a") as grown:
            grown.write(".com\n")
        source = ingest(ssl)
        assert (source.read, source.accepted, source.duplicates) == (1, number - 1, 2 - number)
        assert [each["details"].get("server_name") for each in stored(database)] == ["www.example.com"] * number
    with database.reading() as connection:
        assert len(connection.execute(select(models.identities)).all()) == 2


@pytest.mark.parametrize("old", [False, True])
def test_certificates_of_zeek_join_in_any_order(database: Database, ingest: Ingest, tmp_path: Path, old: bool) -> None:
    """ssl.log names what a server showed, x509.log describes it: the server's certificate and its names, in any order.

    Break: either half of `keys` in hosts/certificate_names.py.
    """
    chain, key = ("cert_chain_fuids", "id") if old else ("cert_chain_fps", "fingerprint")
    ends = {"id.orig_h": "192.0.2.2", "id.orig_p": 1024, "id.resp_p": 443}
    for number, first in enumerate(("ssl", "x509")):
        server, name = f"203.0.113.{80 + number}", f"h{number}.example.com"
        fingerprint = f"F{number}abc" if old else f"{number}" * 64
        lines = {
            "ssl": {
                "ts": START,
                "uid": f"C{number}",
                **ends,
                "id.resp_h": server,
                "version": "TLSv12",
                chain: [fingerprint],
            },
            "x509": {
                "ts": START,
                key: fingerprint,
                "certificate.subject": f"CN={name}",
                "certificate.issuer": "CN=CA",
                "certificate.serial": "0A",
                "certificate.not_valid_before": START - 1,
                "certificate.not_valid_after": START + 1,
                "san.dns": [name, f"*.{name}"],
            },
        }
        for log in (first, *({"ssl", "x509"} - {first})):
            file = tmp_path / f"{number}-{log}.log"
            file.write_text(json.dumps(lines[log]) + "\n")
            ingest(file)
        with database.reading() as connection:
            joined = connection.execute(
                text(
                    "SELECT s.port, c.subject, c.serial FROM sightings s JOIN certificates c ON c.fingerprint = s.fingerprint "
                    "WHERE s.address = :address"
                ),
                {"address": server},
            )
            assert [tuple(row) for row in joined] == [(443, f"CN={name}", "0a")]
            names = connection.execute(
                text("SELECT name, source FROM hostnames WHERE address = :address"), {"address": server}
            )
            assert set(map(tuple, names)) == {(name, "certificate")}
    assert len(stored(database)) == 2
