"""Traffic is stored when it is read, and enriched later: invariant 7 of docs/architecture.md."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.records import FINAL_STATES
from cobalt_tasks.db.tables import observations
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.streams.files import FileStream
from tests.integration.workers.conftest import Ledger
from tests.support.waiting import PATIENCE
from tests.support.worker import Worker

LINE = '{"type": "connection", "src_ip": "10.0.0.1", "dst_ip": "8.8.%d.%d", "dst_port": 443, "timestamp": 1}\n'


def test_a_provider_that_never_answers_hides_no_traffic(
    ledger: Ledger, start_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker hangs on a call to it; what is read meanwhile is in the ledger at once, and its job waits.

    Break: look locations up where lines are read, in Planner.plan (Geolocator.local and a call of `reserve`, or any wait).
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        monkeypatch.setenv("COBALT_GEO_PROVIDERS", "ip-api")
        monkeypatch.setenv("COBALT_IPAPI_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("COBALT_RESOLVERS", "127.0.0.1:1")
        start_worker("-c", "1", "-Q", "geolocation")
        # As many as fill a call: it is made at once.
        read(ledger, tmp_path / "first", 1)
        ledger.wait(lambda rows: sum(row["waits_for"] is not None for row in rows.values()) >= 100, sweeping=False)
        ledger.dispatcher.wake(1)
        call, _ = silent.accept()
        with call:
            read(ledger, tmp_path / "second", 2)
            # The provider has not answered: nothing waited for it.
            assert stored(ledger) == 200
            located = [row for row in ledger.rows().values() if row["kind"] == "geolocation"]
            assert len(located) == 200
            assert not [row for row in located if row["state"] in FINAL_STATES]


def read(ledger: Ledger, file: Path, network: int) -> None:
    """Ingest a hundred connections, as `cobalt ingest` does."""
    file.write_text("".join(LINE % (network, host) for host in range(1, 101)))
    pipeline = Pipeline(ledger.database, environment.load(), report=pytest.fail)
    stream = FileStream(file)
    pipeline.run(stream)
    pipeline.close()
    stream.close()


def stored(ledger: Ledger) -> int:
    """How many connections are in the ledger."""
    with ledger.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(observations)).scalar_one()
