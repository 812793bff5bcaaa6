"""A worker repeats a write while the database restarts, and keeps its batch."""

import pytest

from cobalt_tasks.core.errors import DatabaseUnavailableError
from workers import retry


def test_a_write_is_done_once_the_database_is_back() -> None:
    """It is repeated while a claim can hold. Break: the loop in retry.until_database_answers."""
    answers = [DatabaseUnavailableError(), DatabaseUnavailableError(), 7]

    def write() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry.until_database_answers(write) == 7


def test_it_gives_up_when_no_claim_can_hold_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage longer than a lease is left to the sweep."""
    monkeypatch.setattr(retry, "LEASE_SECONDS", 0.5)

    def write() -> int:
        raise DatabaseUnavailableError

    with pytest.raises(DatabaseUnavailableError):
        retry.until_database_answers(write)
