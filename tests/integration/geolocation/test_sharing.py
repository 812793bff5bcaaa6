"""Four worker processes, one provider, one budget."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from msgspec.structs import replace

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import complete
from tests.support.waiting import PATIENCE, wait_until

WINDOW = 4.0
WINDOWS = 3
JOBS = 7000
"""More than four windows take, 100 in each of 15 calls."""

WORKER = """
import sys, time
from pathlib import Path
from cobalt_tasks.core import settings
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.providers import Limit
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.geolocation.providers.ip_api import IpApi
from cobalt_tasks.jobs.completion import complete

own = settings.load()
database = Database(own.database_url)
geolocator = Geolocator(own)
geolocator.providers = [IpApi(own.provider("ip-api"), Scope(), (Limit(window=float(sys.argv[1]), calls=15),))]
while not Path(sys.argv[2]).exists():
    call = geolocator.reserve(database, 15.0)
    if call is None:
        time.sleep(0.02)
    else:
        outcomes = call.ask(call.claim.jobs)
        database.write(complete, call.claim.token, outcomes)
"""


def fill(database: Database, settings: Settings, count: int) -> None:
    """Make jobs and let them wait for a budget."""
    new = [NewJob(kind="geolocation", address=f"11.{i // 65536}.{i // 256 % 256}.{i % 256}") for i in range(count)]
    geolocator = Geolocator(settings)
    for start in range(0, count, 1000):
        database.write(creation.create, new[start : start + 1000])
    while claim := database.write(jobs.claim, "geolocation", _ids(database), 15.0):
        if not claim.jobs:
            return
        database.write(complete, claim.token, geolocator.local(claim.jobs))


def _ids(database: Database) -> list[int]:
    from cobalt_tasks.geolocation.store import ready

    with database.reading() as connection:
        return ready(connection, None, 1000)


def test_no_window_is_exceeded_and_none_is_wasted(
    database: Database, home: Path, ip_api: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows of the provider see 14 or 15 full calls and never a sixteenth, also when Redis loses its data."""
    monkeypatch.setenv("COBALT_IPAPI_URL", ip_api.url)
    settings = environment.load()
    ip_api.window = WINDOW
    fill(database, replace(settings, geo_providers=("ip-api",)), JOBS)
    own = {**environment.environment(settings), "COBALT_IPAPI_URL": ip_api.url, "COBALT_GEO_PROVIDERS": "ip-api"}
    stop = home / "stop"
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(WINDOW), str(stop)], env=own) for _ in range(4)]
    wait_until(lambda: len(ip_api.windows) >= WINDOWS - 1, "calls in two windows")
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    wait_until(lambda: len(ip_api.windows) > WINDOWS, "calls after Redis has lost its data")
    stop.touch()
    assert [worker.wait(PATIENCE) for worker in workers] == [0] * 4
    assert ip_api.refused == 0
    assert {len(addresses) for _, addresses in ip_api.calls} == {100}
    assert len(set(ip_api.asked)) == len(ip_api.asked)
    # The last window is cut by the end of the test; and a busy machine may keep all four from the end of most others.
    full = [calls in {14, 15} for calls in ip_api.windows[:-1]]
    assert max(ip_api.windows) <= 15
    assert any(full)
