"""The Chromium of this machine, without a window, driven by Playwright. Nothing of the page is imitated."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright

from tests.support.waiting import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome")
MILLISECONDS = 1000 * PATIENCE

expect.set_options(timeout=MILLISECONDS)


def program() -> str:
    """Return the path of Chromium."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "Chromium is needed for these tests: make test installs it"
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser that apt installs: Playwright fetches none.

    Until it ends, this thread counts as one with an event loop: `asyncio.run` fails in it.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(),
            chromium_sandbox=False,  # it does not work for root
            args=["--disable-gpu", "--disable-quic"],
            timeout=MILLISECONDS,
        )
        try:
            yield browser
        finally:
            browser.close()


def open_view(page: Page, view: str) -> None:
    """Click on a view in the navigation, and wait until it is there."""
    page.get_by_role("navigation", name="Views").get_by_role("link", name=view, exact=True).click()
    expect(page.get_by_role("heading", name=view, level=1)).to_be_visible()


def width_needed(page: Page) -> int:
    """Return how wide the document is, in pixels: more than the window means that it scrolls sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth"))


class Watch:
    """What pages did that none may do, noted from when they are followed."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self.errors: list[str] = []
        """In the console."""
        self.misdeeds: list[str] = []
        """What they threw, dialogs and windows that they opened, and requests to other hosts."""
        self._expected: tuple[str, ...] = ()

    def follow(self, context: BrowserContext, url: str) -> None:
        """Note what the pages of a context do; `url`: of the only server that they may ask."""
        host = urlsplit(url).netloc

        def note_message(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.errors.append(f"{message.text} ({message.location['url']})")

        def note_dialog(dialog: Dialog) -> None:
            self.misdeeds.append(f"a dialog: {dialog.message}")
            dialog.dismiss()

        def note_request(request: Request) -> None:
            if urlsplit(request.url).netloc != host:
                self.misdeeds.append(f"a request: {request.url}")

        def note_page(page: Page) -> None:
            page.on("popup", lambda popup: self.misdeeds.append(f"a window: {popup.url}"))

        context.on("page", note_page)
        context.on("console", note_message)
        context.on("weberror", lambda error: self.misdeeds.append(f"an error: {error.error}"))
        context.on("dialog", note_dialog)
        context.on("request", note_request)

    def expect(self, *parts: str) -> None:
        """Allow errors in the console that have one of these `parts`."""
        self._expected += parts

    def check(self) -> None:
        """See that nothing happened but what was expected."""
        found = self.misdeeds + [each for each in self.errors if not any(part in each for part in self._expected)]
        assert not found, "\n".join(found)
