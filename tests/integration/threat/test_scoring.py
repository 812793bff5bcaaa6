"""Scores in the ledger: kept up with what is found, explained, computed again, and put on a map."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from cobalt_tasks.core.errors import OutOfTimeError
from cobalt_tasks.core.records import Banner, Certificate, Facts, Sighting
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import findings as table
from cobalt_tasks.db.tables import jobs, observations, ports, scores
from cobalt_tasks.hosts import facts
from cobalt_tasks.jobs import rounds
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import scoring, zones
from cobalt_tasks.threat import store as findings
from cobalt_tasks.threat.host_scores import ScoreChange
from tests.support.evidence import NOW, PAST, end_job, located, scored, see


def test_scores_follow_what_is_seen(database: Database, rules: threat.Rules) -> None:
    """A connection to a risky port counts at once, an unknown country when the look-up has ended; nothing twice."""
    see(database, ("192.0.2.2", "9.9.9.9", 22), ("192.0.2.2", "9.9.9.10", 443), ("192.0.2.2", "9.9.9.11", 23))
    assert scoring.keep_up(database, rules) == 4
    assert scored(database) == {"9.9.9.9": 0.3, "9.9.9.11": 0.3}
    assert scoring.keep_up(database, rules) == 0
    end_job(database, "9.9.9.9")
    end_job(database, "9.9.9.10", "geolocation", located("9.9.9.10"))
    assert scoring.keep_up(database, rules) == 2
    assert scored(database) == {"9.9.9.9": 0.5, "9.9.9.11": 0.3}
    see(database, *[("192.0.2.2", "9.9.9.9", 22)] * 3)
    scoring.keep_up(database, rules)
    assert scored(database)["9.9.9.9"] == 0.5


def test_what_is_not_true_any_more_goes(database: Database, rules: threat.Rules) -> None:
    """A country that becomes known takes its evidence away; what connections showed stays."""
    see(database, ("192.0.2.2", "9.9.9.9", 22))
    end_job(database, "9.9.9.9")
    scoring.keep_up(database, rules)
    assert scored(database) == {"9.9.9.9": 0.5}
    with database.writing() as connection:
        facts.write(connection, located("9.9.9.9"))
        connection.execute(update(jobs).values(finished_at=NOW - 10))
    scoring.keep_up(database, rules)
    assert scored(database) == {"9.9.9.9": 0.3}


def test_an_outage_of_the_providers_speaks_against_nobody(database: Database, rules: threat.Rules) -> None:
    """A look-up nobody could be asked for says nothing about the host; a final answer without a country does."""
    see(database, ("192.0.2.2", "9.9.9.9", 443))
    end_job(database, "9.9.9.9")
    with database.writing() as connection:
        connection.execute(update(jobs).values(state="failed", outcome="no provider"))
    scoring.keep_up(database, rules)
    assert scored(database) == {}
    with database.writing() as connection:
        connection.execute(update(jobs).values(outcome="unknown", finished_at=NOW - 10))
    scoring.keep_up(database, rules)
    assert scored(database) == {"9.9.9.9": 0.2}


def certificate(fingerprint: str, not_after: float, *, self_signed: bool) -> Certificate:
    """Return a certificate."""
    return Certificate(
        fingerprint=fingerprint,
        der=b"",
        subject="s",
        issuer="i",
        serial="1",
        not_before=0,
        not_after=not_after,
        self_signed=self_signed,
        names=(),
    )


def test_banners_and_certificates_speak_too(database: Database, rules: threat.Rules) -> None:
    """The certificate that was seen last counts, not the one before it."""
    where = {"address": "9.9.9.9", "protocol": "tcp", "port": 443}
    found = Facts(
        banners=[
            Banner(**where, source="probe", observed_at=PAST, text="", raw=b"", service="https"),
            Banner(**{**where, "port": 21}, source="probe", observed_at=PAST, text="", raw=b"x", service="ftp"),
        ],
        certificates=[certificate("old", 1.0, self_signed=True), certificate("new", NOW + 1e7, self_signed=True)],
        sightings=[
            Sighting(**where, fingerprint="old", source="probe", observed_at=PAST - 100),
            Sighting(**where, fingerprint="new", source="probe", observed_at=PAST),
        ],
    )
    see(database, ("9.9.9.9", "192.0.2.9", 443))
    end_job(database, "9.9.9.9", "certificate", found)
    scoring.keep_up(database, rules)
    with database.reading() as connection:
        pieces = findings.of_hosts(connection, ["9.9.9.9"])["9.9.9.9"]
    assert {(each.rule, each.subject, each.source) for each in pieces} == {
        ("cleartext_service", "tcp/21", "banner"),
        ("new_listener_talks", "", "traffic"),
        ("self_signed_certificate", "tcp/443", "certificate"),
    }
    assert scored(database) == {"9.9.9.9": 0.5}


def test_recomputing_changes_what_the_rules_change_and_says_so(
    database: Database, rules: threat.Rules, tmp_path: Path
) -> None:
    """From the ledger alone: the same rules change nothing, other rules give a diff, evidence of old rules is gone."""
    see(database, ("192.0.2.2", "9.9.9.9", 22), ("192.0.2.2", "9.9.9.10", 8080))
    end_job(database, "9.9.9.9")
    scoring.keep_up(database, rules)
    assert list(scoring.recompute(database, rules, lambda _: None)) == []
    assert scored(database) == {"9.9.9.9": 0.5}
    (tmp_path / "threat.toml").write_text("[risky_port]\npoints = 0.4\nports = [8080]\n")
    changed = threat.load(tmp_path)
    pages: list[int] = []
    assert list(scoring.recompute(database, changed, pages.append)) == [
        ScoreChange(address="9.9.9.10", before=0.0, after=0.4),
        ScoreChange(address="9.9.9.9", before=0.5, after=0.2),
    ]
    assert sum(pages) == 3
    with database.reading() as connection:
        assert set(connection.execute(select(table.c.rule_version)).scalars()) == {changed.version}
        assert findings.count_other_versions(connection, changed.version) == 0


def test_new_rules_take_nothing_away_before_all_is_recomputed(
    database: Database, rules: threat.Rules, tmp_path: Path
) -> None:
    """What connections showed by the rules of yesterday stays when a list has changed today and something else is seen."""
    see(database, ("192.0.2.2", "9.9.9.9", 22))
    scoring.keep_up(database, rules)
    (tmp_path / "list").write_text("9.9.9.10\n")
    (tmp_path / "threat.toml").write_text('[[blocklist]]\nname = "x"\nfile = "list"\npoints = 0.5\n')
    changed = threat.load(tmp_path)
    assert changed.version != rules.version
    see(database, ("192.0.2.2", "9.9.9.9", 443), ("192.0.2.2", "9.9.9.10", 443))
    scoring.keep_up(database, changed)
    assert scored(database) == {"9.9.9.9": 0.3, "9.9.9.10": 0.5}


def test_recomputing_from_nothing_gives_what_keeping_up_gave(database: Database, rules: threat.Rules) -> None:
    """Both ways lead to the same evidence."""
    see(database, *[(f"9.9.{i}.1", f"9.9.{i}.2", port) for i in range(30) for port in (22, 23, 80)])
    with database.writing() as connection:
        row = {"protocol": "tcp", "first_seen": PAST, "last_seen": PAST}
        connection.execute(
            insert(ports), [{**row, "address": f"9.9.{i}.1", "port": p} for i in range(30) for p in (1, 2)]
        )
    while scoring.keep_up(database, rules):
        pass

    def all_findings() -> list[Any]:
        with database.reading() as connection:
            return sorted(
                connection.execute(select(table.c.address, table.c.rule, table.c.subject, table.c.points)).all()
            )

    before, kept = all_findings(), scored(database)
    with database.writing() as connection:
        connection.execute(table.delete())
        connection.execute(scores.delete())
    assert len(list(scoring.recompute(database, rules, lambda _: None))) == 60
    assert (all_findings(), scored(database)) == (before, kept)
    assert len(before) == 90


def test_zones_are_where_evidence_is(database: Database, rules: threat.Rules) -> None:
    """Grouped on a tenth of a degree, the worst first; no evidence makes no zone, the equator does; old traffic is out."""
    see(
        database,
        *[("192.0.2.2", "9.9.9.1", 22)] * 3,
        ("192.0.2.2", "9.9.9.2", 22),
        ("192.0.2.2", "9.9.9.3", 443),
        ("192.0.2.2", "9.9.9.4", 23),
        ("192.0.2.2", "9.9.9.5", 23),
        ("192.0.2.2", "9.9.9.6", 22),
    )
    end_job(database, "9.9.9.1", "geolocation", located("9.9.9.1"))
    end_job(database, "9.9.9.2", "geolocation", located("9.9.9.2", "FR", 1.49, 2.52))
    end_job(database, "9.9.9.3", "geolocation", located("9.9.9.3", "DE", 50.0, 50.0))
    end_job(database, "9.9.9.4", "geolocation", located("9.9.9.4", None, 0.0, -120.04))
    end_job(database, "9.9.9.5", "geolocation", located("9.9.9.5", "DE", None, None))
    end_job(database, "9.9.9.6", "geolocation", located("9.9.9.6", "DE", -0.04, 0.04))
    scoring.keep_up(database, rules)
    with database.reading() as connection:
        found = zones.zones(connection, PAST - 1)
        assert zones.zones(connection, NOW) == []
    assert [(zone.lat, zone.lon, zone.threat_score, zone.connection_count, zone.countries) for zone in found] == [
        (0.0, -120.0, 0.5, 1, ()),
        (1.5, 2.5, 0.3, 4, ("DE", "FR")),
        (0.0, 0.0, 0.3, 1, ("DE",)),
    ]
    assert str(found[2].lat) == "0.0"
    assert {zone.radius_km for zone in found} == {50}


def test_gaps_in_the_numbers_stop_nobody(sqlite_database: Database, rules: threat.Rules) -> None:
    """Connections far behind the last one that was read are found."""
    see(sqlite_database, ("192.0.2.2", "9.9.9.9", 22))
    scoring.keep_up(sqlite_database, rules)
    with sqlite_database.writing() as connection:
        row = {"source_id": 1, "observed_at": PAST, "arrived_at": PAST, "protocol": "tcp", "src_ip": "192.0.2.2"}
        connection.execute(insert(observations), [{**row, "id": 10**9, "dst_ip": "9.9.9.8", "dst_port": 22}])
    scoring.keep_up(sqlite_database, rules)
    assert scored(sqlite_database) == {"9.9.9.9": 0.3, "9.9.9.8": 0.3}


def written(database: Database, work: Callable[[], object]) -> set[str]:
    """Return the tables that `work` writes to."""
    tables: set[str] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if found := re.match(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", statement):
            tables.add(found[1])

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return tables


def test_what_is_known_is_not_written_again(database: Database, rules: threat.Rules) -> None:
    """Connections that show nothing new, and look-ups that change nothing, move the cursors only; evidence that is seen
    much later is written. Break: add all that traffic shows again.
    """
    see(database, ("192.0.2.2", "9.9.9.9", 22), ("192.0.2.2", "9.9.9.10", 443), at=PAST - 3600)
    end_job(database, "9.9.9.10", "geolocation", located("9.9.9.10"))
    assert written(database, lambda: scoring.keep_up(database, rules)) == {
        "scores",
        "findings",
        "new_findings",
        "cursors",
    }
    see(database, *[("192.0.2.2", "9.9.9.9", 22), ("192.0.2.2", "9.9.9.10", 443)] * 50, at=PAST - 3500)
    end_job(database, "9.9.9.10", "domain")
    with database.writing() as connection:
        connection.execute(update(jobs).where(jobs.c.kind == "domain").values(finished_at=PAST + 1))
    assert written(database, lambda: scoring.keep_up(database, rules)) == {"cursors"}
    see(database, ("192.0.2.2", "9.9.9.9", 22))
    assert written(database, lambda: scoring.keep_up(database, rules)) == {"findings", "cursors"}
    with database.reading() as connection:
        assert connection.execute(select(table.c.observed_at)).scalar_one() == PAST


def test_pages_are_as_large_as_time_allows() -> None:
    """They grow while they are quick, and shrink when they are slow, within bounds."""
    sizes = [1_000]
    while len(sizes) < 10:
        sizes.append(scoring._next_size(sizes[-1], 0.01))
    assert sizes[1:8] == [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 100_000]
    assert sizes[-1] == 100_000
    assert scoring._next_size(40_000, 0.4) == 40_000
    assert scoring._next_size(40_000, 3.0) == 20_000
    assert scoring._next_size(1_000, 30.0) == 1_000


def test_scoring_ends_before_its_round_does() -> None:
    """A round is interrupted after its time: a page that is begun late must still fit. Break: score for as long as a round."""
    assert scoring._MOMENT_SECONDS + 4 * scoring._PAGE_SECONDS < rounds.ROUND_SECONDS


def test_a_page_that_the_round_ends_for_is_no_failure(
    sqlite_database: Database, rules: threat.Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was scored before stays, and the rest follows in the next round; a round without any page failed."""
    pages: list[int | Exception] = [3, OutOfTimeError()]

    def page(*_: object) -> int:
        found = pages.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(scoring, "_page", page)
    assert scoring.keep_up(sqlite_database, rules) == 3
    pages[:] = [OutOfTimeError()]
    with pytest.raises(OutOfTimeError):
        scoring.keep_up(sqlite_database, rules)
