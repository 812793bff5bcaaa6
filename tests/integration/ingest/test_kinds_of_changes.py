"""Every kind of change that does not come from a scan's ports: names, locations, certificates, scores, peers, refusals."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.durations import DAY, MINUTE
from cobalt_tasks.core.records import Banner, Facts, Hostname, Job, Location, Outcome, Sighting, State, Verdict
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes, expirations, facts, notes
from cobalt_tasks.jobs import completion, refusals
from cobalt_tasks.threat import peer_countries, rules, scoring

HOST, PEER = "192.0.2.10", "198.51.100.7"
NOW = time.time()


def rows(database: Database) -> list[tuple[Any, ...]]:
    """Return (kind, address, port, old, new) of all changes, the oldest first."""
    with database.reading() as connection:
        found = changes.page(connection, 500, after=0)
    return [tuple(row[name] for name in ("kind", "address", "port", "old", "new")) for row in found]


@pytest.fixture
def known(database: Database) -> Database:
    """A ledger with a host that a scan reported, with an open port, and one that only traffic shows."""

    def fill(connection: Any) -> None:
        hosts = [(HOST, True), (PEER, False)]
        connection.execute(
            insert(models.hosts),
            [{"address": a, "first_seen": NOW - 9 * DAY, "last_seen": NOW - DAY, "discovered": d} for a, d in hosts],
        )
        port = {"address": HOST, "protocol": "tcp", "port": 443, "first_seen": NOW - 9 * DAY, "last_seen": NOW - DAY}
        connection.execute(insert(models.ports), [port])

    database.write(fill)
    return database


def write(database: Database, **found: Any) -> None:
    """Write facts and their changes, as a finished job does."""
    whole = Facts(
        **{name: found.get(name, []) for name in ("locations", "hostnames", "banners", "certificates", "sightings")}
    )
    database.write(lambda connection: changes.write(connection, facts.write(connection, whole)))


def place(country: str, *, built: float | None = None, asn: int = 1, address: str = HOST, at: float = NOW) -> Location:
    """Return where a host is."""
    return Location(
        address=address, provider="mmdb", fetched_at=at, country_code=country, asn=asn, database_built=built
    )


def test_a_host_that_moves(known: Database) -> None:
    """Country and network are changes; to learn more, another provider, and peers are none; a newer database is one."""
    write(known, locations=[place("DE"), place("DE", address=PEER)])
    write(known, locations=[place("FR", asn=2), place("FR", asn=2, address=PEER)])
    assert rows(known) == [
        ("location changed", HOST, 0, "DE", "FR"),
        ("network changed", HOST, 0, "AS1", "AS2"),
    ]
    write(known, locations=[place("DE", built=1.7e9)])
    write(known, locations=[place("ES", built=1.7e9 + 1)])
    assert rows(known)[2:] == [("locations updated", "", 0, None, "mmdb of 2023-11-14")]


def answer(text: str, product: str, at: float, port: int = 443) -> Banner:
    """Return what a port of the host answered, and the product that it was recognised as."""
    return Banner(
        address=HOST, protocol="tcp", port=port, source="probe", observed_at=at, text=text, raw=text.encode(),
        service="ssh", product=product,
    )  # fmt: skip


def test_newer_recognisers_are_one_change(known: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers described otherwise after an update are one change for all; another answer is one by itself.

    Break: `_answered_at`, or the comparison with `recognition.changed_at`.
    """
    monkeypatch.setattr("cobalt_tasks.core.recognition.changed_at", lambda: NOW - 2 * MINUTE)
    ports = (443, 8443, 9443)
    write(known, banners=[answer("hello", "old", NOW - 3 * MINUTE, port) for port in ports])
    before = len(rows(known))
    write(known, banners=[answer("hello", "new", NOW - MINUTE), answer("welcome", "new", NOW - MINUTE, 8443)])
    write(known, banners=[answer("hello", "new", NOW - MINUTE, 9443)])
    found = rows(known)[before:]
    assert [row[:3] for row in found] == [("recognition updated", "", 0), ("product changed", HOST, 8443)]
    # Both readings are newer than the recognisers.
    write(known, banners=[answer("hello", "other", NOW)])
    assert rows(known)[-1] == ("product changed", HOST, 443, "ssh new", "ssh other")
    with known.reading() as connection:
        page = changes.page(connection, 500, kinds=("recognition updated",))
    assert [row["details"] for row in page] == [{"hosts": 2}]


def finished(database: Database, kind: str, code: str, *names: str, port: int = 0) -> None:
    """Finish a job on the host with an outcome."""
    job = {"kind": kind, "address": HOST, "protocol": "tcp" if port else "", "port": port, "level": 1}
    with database.reading() as connection:
        same = select(models.jobs.c.id).where(models.jobs.c.kind == kind, models.jobs.c.port == port)
        number = connection.execute(same).scalar()

    def work(connection: Any) -> None:
        nonlocal number
        running = {"state": State.RUNNING, "claim": "t", "started_at": NOW}
        if number is None:
            values = {
                **job,
                **running,
                "forced": False,
                "isolated": False,
                "attempts": 0,
                "not_before": NOW,
                "created_at": NOW,
            }
            number = connection.execute(insert(models.jobs).values(values).returning(models.jobs.c.id)).scalar_one()
        connection.execute(update(models.jobs).where(models.jobs.c.id == number).values(running))
        found = Facts(
            hostnames=[Hostname(address=HOST, name=name, source="ptr", observed_at=time.time()) for name in names]
        )
        ours = Job(
            id=number,
            kind=kind,
            address=HOST,
            protocol=job["protocol"],
            port=port,
            isolated=False,
            attempts=0,
            forced=False,
        )
        verdict = Verdict.FAILED if code == "refused" else Verdict.DONE
        completion.complete(connection, "t", [Outcome(job=ours, verdict=verdict, code=code, facts=found)])

    database.write(work)


def test_names_that_come_and_go(known: Database) -> None:
    """A name that the reverse lookup has no more is gone, and added when it is back; each time one change."""
    finished(known, "domain", "named", "a.example.net")
    finished(known, "domain", "named", "a.example.net", "b.example.net")
    finished(known, "domain", "named", "b.example.net")
    finished(known, "domain", "named", "b.example.net")
    finished(known, "domain", "named", "a.example.net", "b.example.net")
    finished(known, "domain", "no name")
    assert rows(known) == [
        ("name added", HOST, 0, None, "b.example.net"),
        ("name gone", HOST, 0, "a.example.net", None),
        ("name added", HOST, 0, None, "a.example.net"),
        ("name gone", HOST, 0, "a.example.net", None),
        ("name gone", HOST, 0, "b.example.net", None),
    ]


def age(database: Database, seconds: float) -> None:
    """Let the last refusal and the end of the jobs be so much longer ago."""

    def work(connection: Any) -> None:
        connection.execute(update(models.ports).values(refused_at=models.ports.c.refused_at - seconds))
        connection.execute(update(models.jobs).values(finished_at=models.jobs.c.finished_at - seconds))

    database.write(work)


def test_a_port_that_refuses_three_times(known: Database) -> None:
    """Three refusals half an hour apart close a port: the same job is tried again; sooner ones do not count."""
    for number in range(3):
        finished(known, "banner", "refused", port=443)
        finished(known, "banner", "refused", port=443)
        assert refusals.try_again(known) == 0
        age(known, 31 * MINUTE)
        assert [kind for kind, *_ in rows(known)] == (["port closed"] if number == 2 else [])
        assert refusals.try_again(known) == (number < 2)


def test_an_open_report_starts_the_count_of_refusals_again(known: Database) -> None:
    """A port that was seen open after a refusal is not closed by the next two."""
    for number in range(3):
        finished(known, "banner", "refused", port=443)
        age(known, 31 * MINUTE)
        if number == 0:
            known.write(
                lambda connection: connection.execute(update(models.ports).values(last_seen=time.time() - MINUTE))
            )
    assert rows(known) == []


def certificate(database: Database, fingerprint: str, days: float, **more: str) -> None:
    """Write a certificate that expires in `days`, and its sighting."""
    text = {"issuer": "CN=CA", "subject": "CN=www", "names": '["www"]', "serial": fingerprint, **more}
    row = {
        "fingerprint": fingerprint,
        "der": b"",
        "not_before": 0.0,
        "not_after": NOW + days * DAY,
        "self_signed": False,
    }
    database.write(lambda connection: connection.execute(insert(models.certificates).values({**row, **text})))
    at = NOW - DAY + len(fingerprint) * MINUTE
    seen = Sighting(address=HOST, protocol="tcp", port=443, fingerprint=fingerprint, source="probe", observed_at=at)
    write(database, sightings=[seen])


def test_certificates_expire_and_are_renewed(known: Database) -> None:
    """Each threshold is one change for a certificate in use; the next one of the same names and issuer renews it."""
    certificate(known, "a", 20)
    for _ in range(2):
        expirations.note(known)
    assert [kind for kind, *_ in rows(known)] == ["certificate expiring"]
    soon = models.certificates.c.fingerprint == "a"
    for days in (10, 6, 0.5):
        known.write(
            lambda c, days=days: c.execute(update(models.certificates).where(soon).values(not_after=NOW + days * DAY))
        )
        expirations.note(known)
        expirations.note(known)
    assert [new.partition(",")[0] for *_, new in rows(known)] == [
        *("expires within 30 days", "expires within 14 days", "expires within 7 days", "expires within 1 day"),
    ]
    certificate(known, "bb", 90)
    certificate(known, "ccc", 90, issuer="CN=Other")
    assert [kind for kind, *_ in rows(known)][4:] == ["certificate renewed", "certificate changed"]
    certificate(known, "dddd", 5, subject="CN=other", names='["other"]')
    known.write(lambda c: c.execute(update(models.ports).values(closed_since=NOW, unconfirmed_since=NOW)))
    assert expirations.note(known) == 1
    assert len(rows(known)) == 6


def test_scores_and_what_is_accepted(known: Database, home: Path) -> None:
    """A score that crosses a step is one change; an accepted finding does not score until its note is over."""
    own = rules.load(home)
    scoring.score_again(known, [HOST], own)
    known.write(lambda c: c.execute(update(models.scores).values(first_scored_at=NOW - 2 * DAY)))
    assert rows(known) == []
    port = {"address": HOST, "protocol": "tcp", "port": 23, "service": "telnet", "first_seen": NOW, "last_seen": NOW}
    known.write(lambda c: c.execute(insert(models.ports).values(port)))
    for _ in range(2):
        scoring.score_again(known, [HOST], own)
    ((kind, address, _, before, after),) = rows(known)
    assert (kind, address, before) == ("score changed", HOST, "0.00")
    with known.reading() as connection:
        found = {row.rule for row in connection.execute(select(models.findings))}
    for rule in found:
        note = notes.Note(
            about=notes.FINDING,
            kind=rule,
            address=HOST,
            subject="",
            reason="known",
            author="me",
            created_at=NOW,
            expires_at=time.time() + DAY,
        )
        known.write(notes.add, note)
    scoring.score_again(known, [HOST], own)
    assert [row[3:] for row in rows(known)[1:]] == [(after, "0.00")]
    known.write(lambda c: c.execute(update(models.notes).values(expires_at=time.time() - 1)))
    scoring.expire_notes(known, own)
    assert [row[3:] for row in rows(known)[2:]] == [("0.00", after)]


def test_a_country_that_is_new_for_a_site(known: Database, home: Path) -> None:
    """After its first day, each country that a site's hosts had no connection with is one change, located late or not."""
    (home / "networks.toml").write_text('["192.0.2.0/24"]\nname = "office"\n')
    own = own_networks.load(home)
    peers = {
        "198.51.100.1": "DE",
        "198.51.100.2": "DE",
        "198.51.100.3": "FR",
        "198.51.100.4": "ES",
        "198.51.100.5": "IT",
    }

    def meet(connection: Any, *addresses: str) -> None:
        base = {
            "source_id": 1,
            "observed_at": NOW,
            "arrived_at": NOW - 60,
            "src_ip": HOST,
            "protocol": "tcp",
            "src_port": 1,
            "dst_port": 443,
        }
        connection.execute(insert(models.observations), [{**base, "dst_ip": address} for address in addresses])

    def locate(*addresses: str) -> None:
        write(known, locations=[place(peers[each], address=each, at=NOW - 60 + int(each[-1])) for each in addresses])

    known.write(meet, "198.51.100.1")
    locate("198.51.100.1")
    peer_countries.note(known, own)
    assert rows(known) == []
    known.write(lambda c: c.execute(update(models.milestones).values(noted_at=NOW - 2 * DAY)))
    locate("198.51.100.2", "198.51.100.3")
    known.write(meet, "198.51.100.2", "198.51.100.3", "198.51.100.4")
    peer_countries.note(known, own)
    locate("198.51.100.4", "198.51.100.5")
    for _ in range(2):
        peer_countries.note(known, own)
    assert [(kind, new) for kind, *_, new in rows(known)] == [
        ("new peer country", "FR, from office"),
        ("new peer country", "ES, from office"),
    ]
