"""A real headless Chromium, driven through its DevTools protocol. Nothing of the page is imitated."""

import base64
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import requests
import websocket

from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import upgrade
from tests.support.waiting import PATIENCE, wait_until

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Chromium:
    """One browser process with an empty profile."""

    def __init__(self, profile: Path) -> None:
        """Start it and wait until it listens."""
        program = next((found for name in _NAMES if (found := shutil.which(name))), None)
        assert program, "Chromium is needed for these tests: make test installs it"
        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._port = self._wait_for_port(profile / "DevToolsActivePort")

    def page(self, url: str) -> "Page":
        """Open a page."""
        target = requests.put(f"http://127.0.0.1:{self._port}/json/new?about:blank", timeout=PATIENCE).json()
        page = Page(target["webSocketDebuggerUrl"])
        page.go(url)
        return page

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)

    def _wait_for_port(self, file: Path) -> int:
        def lines() -> list[str]:
            assert self._process.poll() is None, "Chromium ended at once"
            return file.read_text().splitlines() if file.exists() else []

        return int(wait_until(lines, "Chromium listens")[0])


class Page:
    """One tab. What the page writes to its console, and what it throws, is in `messages`."""

    def __init__(self, url: str) -> None:
        """Connect to the tab."""
        self._socket = websocket.create_connection(url, timeout=PATIENCE, suppress_origin=True)
        self._last_id = 0
        self.messages: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._last_id += 1
        self._socket.send(json.dumps({"id": self._last_id, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._last_id:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def go(self, url: str) -> None:
        """Load a URL and wait until it is there."""
        self.send("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def show(self, path: str) -> None:
        """Go to another view as a click on its link does, and wait until it is there."""
        self.evaluate(
            "document.body.append(Object.assign(document.createElement('a'), "
            f"{{ href: {json.dumps(path)}, id: 'moved', hidden: true }})), document.querySelector('#moved').click(), "
            "document.querySelector('#moved').remove()"
        )
        self.wait_for(
            f"location.pathname + location.search === {json.dumps(path)} && !!document.querySelector('main h1')"
        )

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression on the page; a promise is waited for."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Return the value of an expression as soon as it is true."""
        shown = partial(self.text, "body")
        return wait_until(lambda: self.evaluate(expression), expression, seen=shown, every=0.1)

    def text(self, selector: str) -> str:
        """Return the text a person sees in an element."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def shows(self, selector: str, text: str) -> None:
        """Wait until an element shows a text: a part of the page may be drawn a moment after its neighbour."""
        found = partial(self.text, selector)
        wait_until(lambda: text in found(), f"{text} in {selector}", seen=found, every=0.1)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Make the page as large as a screen, light or dark."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, file: Path) -> None:
        """Write what is seen as a PNG."""
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """Leave the tab."""
        self._socket.close()

    def _note(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.messages.append(json.dumps(message["params"]["exceptionDetails"]))
            case "Log.entryAdded" if message["params"]["entry"]["level"] == "error":
                self.messages.append(message["params"]["entry"]["text"])
            case _:
                pass


class Dashboard:
    """A `cobalt dashboard` process."""

    def __init__(self, *options: str) -> None:
        """Start it on a free port, with more options, and wait until it answers."""
        self._options = options
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
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

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(PATIENCE)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """One browser for all tests."""
    profile = Path(mkdtemp(prefix="cobalt-chromium-"))
    browser = Chromium(profile)
    yield browser
    browser.close()
    shutil.rmtree(profile, ignore_errors=True)


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
def dashboard(ledger: Database) -> Iterator[Dashboard]:
    """`cobalt dashboard` as users start it, on a free port."""
    server = Dashboard()
    yield server
    server.stop()


@pytest.fixture
def page(chromium: Chromium, dashboard: Dashboard) -> Iterator[Page]:
    """The page, opened in a new tab."""
    tab = chromium.page(dashboard.url)
    yield tab
    tab.close()
