"""What `cobalt up` prints about its jobs where standard error is no terminal."""

import pytest

from cobalt_tasks.supervisor.progress import JobProgress


def counts(done: int, waiting: int) -> dict[str, dict[str, int]]:
    """So many jobs that are final, and that are not."""
    return {"banner": {"done": done, "pending": waiting}}


def test_the_last_line_is_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """However soon after another line the work ends, its end is printed. Break: JobProgress.__exit__."""
    with JobProgress(enabled=True) as progress:
        progress.show(counts(0, 52))
        progress.show(counts(30, 22))
        progress.show(counts(52, 0))
    assert capsys.readouterr().err.splitlines() == ["jobs: 0 of 52 final", "jobs: 52 of 52 final"]


def test_no_line_is_printed_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """What was printed already, or is not wanted, is not printed at the end."""
    with JobProgress(enabled=True) as progress:
        progress.show(counts(7, 0))
    assert capsys.readouterr().err.splitlines() == ["jobs: 7 of 7 final"]
    with JobProgress(enabled=False) as progress:
        progress.show(counts(7, 0))
    assert capsys.readouterr().err == ""
    with JobProgress(enabled=True):
        pass
    assert capsys.readouterr().err == ""
