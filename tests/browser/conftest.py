"""The page as `cobalt dashboard` serves it, in a real browser; clicks and keys are those of a mouse and a keyboard."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import upgrade
from tests.conftest import free_port
from tests.support import once
from tests.support.browser import MILLISECONDS, Watch, chromium
from tests.support.waiting import PATIENCE, wait_until
from tests.support.world import fill

HOSTS = 22_000

OpenPage = Callable[..., Page]


class Dashboard:
    """A `cobalt dashboard` process."""

    def __init__(self, *options: str) -> None:
        """Start it on a free port, with more options, and wait until it answers."""
        self._options = options
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/"
        self.start()

    def start(self) -> None:
        """Start it, on the same port as before."""
        command = [sys.executable, "-m", "cobalt_tasks", "dashboard", "--port", str(self._port), *self._options]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

        def answers() -> bool:
            try:
                requests.get(f"{self.url}api/health", timeout=PATIENCE)
            except requests.ConnectionError:
                assert self._process.poll() is None, "cobalt dashboard ended at once"
                return False
            return True

        wait_until(answers, "cobalt dashboard answers")

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it by a signal, usually that of Ctrl-C; return its exit code."""
        self._process.send_signal(how)
        return self._process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid


# Of this folder and not of the session: while it runs, no test in this process could use asyncio.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests of the page."""
    with chromium() as running:
        yield running


@pytest.fixture
def ledger(home: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty ledger, named in the environment; no Redis answers."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("COBALT_BROKER_URL", "redis://127.0.0.1:1/0")
    database = Database(sqlite_url)
    upgrade(database)
    yield database
    database.dispose()


@pytest.fixture
def world(ledger: Database, home: Path) -> Database:
    """The ledger with 22,000 hosts in 14 countries, and a bit of everything."""

    def make(folder: Path) -> None:
        database = Database(f"sqlite:///{folder / 'world.db'}")
        upgrade(database)
        fill(database, folder, HOSTS)
        database.dispose()

    made = once.made("world", make)
    ledger.dispose()
    copy(made / "world.db", str(ledger.engine.url.database))
    copy(made / "networks.toml", home)
    return ledger


@pytest.fixture
def dashboard(ledger: Database) -> Iterator[Dashboard]:
    """`cobalt dashboard` as users start it, on a free port."""
    server = Dashboard()
    yield server
    server.stop()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Sees to it that no page throws, opens a dialog, asks another host, or has an unexpected error in its console."""
    watch = Watch()
    yield watch
    watch.check()


# It has the dashboard, so that its tabs are closed before that ends.
@pytest.fixture
def open_page(browser: Browser, dashboard: Dashboard, watch: Watch) -> Iterator[OpenPage]:
    """Opens the dashboard in a browser that was never used, with options of Playwright's `new_context`."""
    with ExitStack() as opened:

        def open_page(**options: Any) -> Page:
            context = opened.enter_context(browser.new_context(base_url=dashboard.url, **options))
            context.set_default_timeout(MILLISECONDS)
            watch.follow(context, dashboard.url)
            page = context.new_page()
            page.goto("/")
            return page

        yield open_page


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The page, opened."""
    return open_page()
