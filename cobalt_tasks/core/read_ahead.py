"""Reads the next page while the one before is in use: the database, or whatever is read from, need not wait."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Page = TypeVar("_Page")


def read_ahead(pages: Iterator[_Page]) -> Iterator[_Page]:
    """Yield `pages`, each of which is read by a thread while the one before is in use; what reading raises is raised here."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    try:
        coming = thread.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = thread.submit(next, pages, None)
            yield page
    finally:
        # Not waited for: a reader that left may be noticed by that very thread, when it collects garbage.
        thread.shutdown(wait=False)
