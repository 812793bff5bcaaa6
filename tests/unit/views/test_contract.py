"""Health is judged by what answers now and by the age of the last sign of life."""

from typing import Any

import pytest

from cobalt_tasks.views.dashboard import contract

KINDS = ["banner", "domain", "geolocation", "certificate"]


def health(**given: Any) -> contract.Health:
    """The health of a system in which all is well but what is given."""
    ages = dict.fromkeys(KINDS, 1.0)
    usual = {"database_answers": True, "broker_answers": True, "worker_ages": ages, "input_age": 1.0, "kinds": KINDS}
    return contract.health(**(usual | given))


def test_all_is_well() -> None:
    """With every sign fresh, everything is active and the whole is 1."""
    judged = health()
    assert judged.overall == 1.0
    assert {component.status for component in judged.components.values()} == {"ACTIVE"}


@pytest.mark.parametrize(
    ("age", "status", "percentage"),
    [
        (0.0, "ACTIVE", 100),
        (14.9, "ACTIVE", 100),
        (15.0, "DEGRADED", 50),
        (29.9, "DEGRADED", 50),
        (30.0, "DEAD", 0),
        (None, "DEAD", 0),
    ],
)
def test_thresholds(age: float | None, status: str, percentage: int) -> None:
    """Degraded after 15 seconds without a sign, dead after 30 or without any."""
    judged = health(input_age=age).components["connection_monitor"]
    assert (judged.status, judged.health_percentage, judged.last_beat_age) == (status, percentage, age)


@pytest.mark.parametrize(
    ("ages", "status"),
    [
        ({}, "DEAD"),
        (dict.fromkeys(KINDS, 40.0), "DEAD"),
        ({"banner": 1.0}, "DEGRADED"),
        (dict.fromkeys(KINDS, 1.0) | {"domain": 100.0}, "DEGRADED"),
        (dict.fromkeys(KINDS, 1.0) | {"domain": 20.0}, "DEGRADED"),
    ],
)
def test_workers_are_as_good_as_their_worst_queue(ages: dict[str, float], status: str) -> None:
    """A queue without a worker degrades the whole; none served is dead."""
    assert health(worker_ages=ages).components["workers"].status == status


def test_silence_is_no_illness() -> None:
    """Without input for long, the input is dead and the rest is as healthy as it was."""
    assert health(input_age=3600.0).overall == 1.0


def test_what_does_not_answer_is_dead() -> None:
    """A database or a broker that does not answer is dead, and the whole suffers."""
    judged = health(database_answers=False, broker_answers=False)
    assert judged.components["database"].status == judged.components["broker"].status == "DEAD"
    assert judged.overall == pytest.approx(3 / 5)
