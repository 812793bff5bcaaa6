"""What holds whatever view is shown: connections, and the policy on scripts, in a real browser."""

import psutil
from playwright.sync_api import Page

from tests.browser.conftest import Dashboard
from tests.support.browser import Watch
from tests.support.waiting import wait_until

HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What a browser without a window cannot do by itself."""


def test_a_tab_that_cannot_be_seen_holds_no_connection(page: Page, dashboard: Dashboard) -> None:
    """Hidden, the page closes its stream and asks for nothing; seen again, it streams: any number of tabs works."""
    process = psutil.Process(dashboard.pid)

    def wait_for_connections(*, some: bool) -> None:
        def is_so() -> bool:
            return some is any(each.status == "ESTABLISHED" for each in process.net_connections("tcp"))

        wait_until(is_so, "connections" if some else "no connection", every=0.1)

    wait_for_connections(some=True)
    page.evaluate(HIDE, arg=True)
    wait_for_connections(some=False)
    page.evaluate(HIDE, arg=False)
    wait_for_connections(some=True)


def test_policy_stops_what_would_get_in(page: Page, watch: Watch) -> None:
    """Even with a hole in the page, an inline script does not run: the policy is in force."""
    watch.expect("Content Security Policy", "404")
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned=1\">')")
    assert page.evaluate("window.owned") is None
