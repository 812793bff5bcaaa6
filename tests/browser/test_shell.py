"""What holds whatever view is shown: connections, and the policy on scripts, in a real browser."""

import time
from typing import Any

import psutil

from tests.support.waiting import wait_until

HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_tab_that_cannot_be_seen_holds_no_connection(page: Any, dashboard: Any) -> None:
    """Hidden, the page closes its stream and asks for nothing; seen again, it streams: any number of tabs works."""

    def wait_for_connections(*, some: bool) -> None:
        process = psutil.Process(dashboard._process.pid)
        deadline = time.monotonic() + 40
        while any(each.status == "ESTABLISHED" for each in process.net_connections("tcp")) is not some:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    wait_for_connections(some=True)
    page.evaluate(f"({HIDE})(true)")
    wait_for_connections(some=False)
    page.evaluate(f"({HIDE})(false)")
    wait_for_connections(some=True)


def test_policy_stops_what_would_get_in(page: Any) -> None:
    """Even with a hole in the page, an inline script does not run: the policy is in force."""
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned=1\">')")
    wait_until(lambda: page.evaluate("1") and any("Content Security Policy" in each for each in page.messages))
    assert page.evaluate("window.owned") is None
