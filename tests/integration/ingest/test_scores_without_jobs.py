"""Hosts that are neither probed nor looked up have scores as well: what scans report of them is read by scoring."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cobalt_tasks.db.engine import Database
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import scoring, unscored
from tests.support.evidence import scored

PRIVATE = "10.7.0.9"
SCAN = '{{"ip": "{}", "timestamp": "{}", "ports": [{{"port": {}, "proto": "tcp", "status": "open"}}]}}\n'


@pytest.fixture
def rules(home: Path, monkeypatch: pytest.MonkeyPatch) -> threat.Rules:
    """The rules of the package, on a machine that may probe loopback alone, and looks up nothing."""
    monkeypatch.setenv("COBALT_SCOPE", "127.0.0.0/8")
    monkeypatch.setenv("COBALT_OFFLINE", "true")
    return threat.load(home)


def test_a_host_without_jobs_is_scored(
    database: Database, rules: threat.Rules, ingest: Callable[..., object], tmp_path: Path
) -> None:
    """Its first scan, which is one change for its network, and a port that a later one finds, each score it again; until
    then scoring is behind. Break: unscored.queue in write_batch.write.
    """
    for at, port, found in ((1795341438, 8080, {}), (1795341538, 23, {PRIVATE: 0.3})):
        file = tmp_path / f"{at}.json"
        file.write_text(SCAN.format(PRIVATE, at, port))
        ingest(file)
        with database.reading() as connection:
            assert unscored.queued(connection, 10)[1] == {PRIVATE}
            assert unscored.lag(connection).seconds > 0
        assert scoring.keep_up(database, rules) == 1
        assert scored(database) == found
        assert scoring.keep_up(database, rules) == 0
