"""What `cobalt up` does when its input is over."""

import urllib.request
from collections.abc import Callable

from tests.acceptance.conftest import Cobalt
from tests.support.waiting import PATIENCE, wait_until


def test_the_end_of_input_ends_nothing_else(make_cobalt: Callable[[], Cobalt]) -> None:
    """When the tool upstream ends, the page and the workers go on. Break: `options.once` in _Everything._watch."""
    cobalt = make_cobalt()
    process = cobalt.start()
    wait_until(lambda: "serving" in cobalt.output, "it serves after the end of its input")
    with urllib.request.urlopen(f"http://127.0.0.1:{cobalt.port}/api/health", timeout=PATIENCE) as answer:
        assert answer.status == 200
    wait_until(lambda: cobalt.status()["workers"], "the worker answers")
    assert process.poll() is None
    process.terminate()
    assert process.wait(PATIENCE) == 0
