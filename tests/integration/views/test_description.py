"""The API against its own description: requests made from it, and every answer held against it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from fastapi import FastAPI

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.views.dashboard.app import create_app
from cobalt_tasks.views.dashboard.description import described
from cobalt_tasks.views.dashboard.security import OPEN_PATHS
from tests.integration.views.conftest import get

Fill = Callable[[Database], None]
Serving = Callable[[Settings], Any]
ROOT = Path(__file__).parents[3]

REQUESTS = {
    "/api/data": [""],
    "/api/health": [""],
    "/api/live": [""],
    "/api/status": [""],
    "/api/queues": [""],
    "/api/hosts": ["", "?q=port:22", "?order=score", "?limit=1"],
    "/api/hosts/{ip}": [""],
    "/api/hosts/{ip}/{part}": [""],
    "/api/connections": ["", "?q=port:443", "?limit=1"],
    "/api/jobs": ["", "?limit=1"],
    "/api/ports": ["", "?limit=1"],
    "/api/search/count": [""],
    "/api/search/facets": ["?fields=country,port"],
    "/api/search/fields": [""],
    "/api/search/values": ["?field=service"],
    "/api/changes": ["", "?after=0"],
    "/api/notes": ["?all=true"],
    "/api/certificates": [""],
    "/api/networks": [""],
    "/api/setup": [""],
    "/api/export/formats": [""],
    "/api/hosts/{ip}/traffic": [""],
    "/api/overview": [""],
    "/api/map": [""],
    "/api/traffic": ["", "?by=country", "?span=minute"],
    "/api/findings": ["", "?order=last_seen&q=port:22"],
    "/api/findings/rules": [""],
    "/api/sources": [""],
    "/api/rejects": [""],
    "/api/alerts": [""],
}
"""What is asked of each route that answers JSON, so that its answer has rows."""


def schema_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema of what a route answers, with everything that it refers to."""
    answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return {**answer, "components": document["components"]}


def test_every_route_is_described(sqlite_settings: Settings) -> None:
    """A route without the type of its answer would be described by nothing but its parameters: the page does not start."""
    app = create_app(sqlite_settings)
    document = app.openapi()
    has_json = {
        path
        for path, methods in document["paths"].items()
        if "application/json" in methods["get"]["responses"]["200"]["content"]
    }
    assert has_json == set(REQUESTS)


def test_no_page_starts_with_a_route_that_is_not_described() -> None:
    """The error names the route. Break: a default in description._answers_of."""
    app = FastAPI()
    app.add_api_route("/api/new", lambda: "new")
    with pytest.raises(TypeError, match="/api/new needs @answers"):
        described(app)


def test_answers_are_as_described(database: Database, live_settings: Settings, fill: Fill, serving: Serving) -> None:
    """Real answers of a filled ledger fit the types, on both databases."""
    fill(database)
    wrong: dict[str, list[str]] = {}
    with serving(live_settings) as url:
        document = get(f"{url}/openapi.json").json()
        for path, queries in REQUESTS.items():
            validator = jsonschema_rs.validator_for(schema_of(document, path))
            for query in queries:
                asked = path.replace("{ip}", "198.51.100.7").replace("{part}", "ports") + query
                answer = get(f"{url}{asked}")
                errors = [f"{each.instance_path}: {each.message}" for each in validator.iter_errors(answer.json())]
                if errors or answer.status_code != (503 if path == "/api/health" else 200):
                    wrong[asked] = [str(answer.status_code), *errors]
    assert wrong == {}


def try_all(url: str, folder: Path, *options: str) -> None:
    """Make requests from the description: sensible, odd and wrong ones. Every answer must fit it, and none be a fault."""
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{url}/openapi.json",
        "--continue-on-failure",
        *options,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Unresolvable" not in done.stdout


def test_requests_made_from_the_description_find_nothing(
    sqlite_database: Database, sqlite_settings: Settings, fill: Fill, serving: Serving, tmp_path: Path
) -> None:
    """A few requests to every route. Break: leave a status out of description.py, or a type in answers.py wrong."""
    fill(sqlite_database)
    with serving(sqlite_settings) as url:
        try_all(url, tmp_path, "--phases", "fuzzing", "--max-examples", "2", "--seed", "1")


@pytest.mark.long
def test_many_requests_made_from_the_description_find_nothing(
    database: Database, live_settings: Settings, fill: Fill, serving: Serving, tmp_path: Path
) -> None:
    """Many requests to every route, and those that try each bound of each parameter, on both databases."""
    fill(database)
    with serving(live_settings) as url:
        try_all(url, tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "150")


def test_a_login_is_described(sqlite_settings: Settings) -> None:
    """With a password, every route but the health checks is described as needing it; without, none."""
    guarded = msgspec.structs.replace(sqlite_settings, dashboard_user="ann", dashboard_password="secret")
    paths = create_app(guarded).openapi()["paths"]
    assert {path for path, methods in paths.items() if "security" not in methods["get"]} == set(OPEN_PATHS)
    assert not any("security" in methods["get"] for methods in create_app(sqlite_settings).openapi()["paths"].values())
