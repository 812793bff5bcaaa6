"""Flower's settings: its guards, and a task list that shows how many jobs each message carries.

Started with `--conf` by everything of ours.
"""

from typing import Protocol

max_tasks = 5_000
"""Tasks Flower keeps in memory; with its own default, 100,000, it grows to half a gigabyte."""


class _Task(Protocol):
    args: str | None
    kwargs: str | None


def format_task(task: _Task) -> _Task:
    """Return a task as the list shows it: of its arguments, the number of jobs, which the sender wrote down."""
    words = (task.args or "").strip("()'\" ").split()
    if words[1:] == ["jobs"] and words[0].isdigit():
        count = int(words[0])
        task.args = {0: "a provider's call", 1: "1 job"}.get(count, f"{count} jobs")
        task.kwargs = ""
    return task


if __name__ != "cobalt_tasks.flowerconfig":
    # Flower executes this file; an import of it changes nothing.
    from cobalt_tasks.views import flower_guard as flowerguard

    flowerguard.install()
